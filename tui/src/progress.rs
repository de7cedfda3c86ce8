//! Progress bars on stderr: on a terminal, and for work that takes a while.

use std::fmt::{Display, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use packhouse_host::{Event, Progress, RepoName};
use tokio::task::JoinHandle;

use crate::style::Style;
use crate::text;

/// Work that ends sooner shows no bar.
pub(crate) const BAR_DELAY: Duration = Duration::from_secs(1);

/// Shows progress bars, unless they are disabled. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    multi: MultiProgress,
    shown: bool,
    style: Style,
}

impl Bars {
    /// Draws bars through `multi` if `shown`.
    pub(crate) const fn new(multi: MultiProgress, shown: bool, style: Style) -> Bars {
        Bars { multi, shown, style }
    }

    /// The bars, which other writers to the terminal must suspend.
    pub(crate) const fn multi(&self) -> &MultiProgress {
        &self.multi
    }

    /// The colours of stderr.
    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    /// Watches some work; its bar appears after `delay`.
    pub(crate) fn watch(&self, delay: Duration) -> Watch {
        self.watch_part(&Progress::silent(), delay)
    }

    /// Watches a part of some work; its bar appears below the others.
    fn watch_part(&self, of: &Progress, delay: Duration) -> Watch {
        let bars = self.clone();
        if !self.shown {
            let (progress, bar) = (of.clone(), ProgressBar::hidden());
            return Watch { bars, progress, bar, seen: Arc::default(), reveal: None };
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let bar = ProgressBar::hidden().with_style(bar_style(self.style, &seen));
        let progress = of.with_sink({
            let (bar, seen) = (bar.clone(), seen.clone());
            move |event| draw(&bar, &seen, event)
        });
        let reveal = tokio::spawn({
            let (multi, bar) = (self.multi.clone(), bar.clone());
            async move {
                tokio::time::sleep(delay).await;
                multi.add(bar.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
        });
        Watch { bars, progress, bar, seen, reveal: Some(reveal) }
    }
}

/// Work that is watched. Dropping it removes the bar.
#[derive(Debug)]
pub(crate) struct Watch {
    bars: Bars,
    progress: Progress,
    bar: ProgressBar,
    seen: Arc<Mutex<Seen>>,
    reveal: Option<JoinHandle<()>>,
}

impl Watch {
    /// The progress callback for the host.
    pub(crate) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Shows a label until the host sends the next event.
    pub(crate) fn about(&self, what: &'static str) {
        *locked(&self.seen) = Seen { label: what, ..Seen::default() };
        self.bar.unset_length();
    }

    /// Shows steps instead of the host's events, which are too small here, until [`Watch::about`]
    /// is called.
    pub(crate) fn step(&self, repo: &RepoName, label: &'static str, step: u64, steps: u64) {
        *locked(&self.seen) =
            Seen { repo: repo.to_string(), label, done: step, total: steps, stepwise: true };
        self.bar.update(|state| {
            state.set_len(steps);
            state.set_pos(step);
        });
    }
}

impl Watch {
    /// Shows how many repos are done, if there are several. Each [`Repos::next`] is one of them.
    pub(crate) fn repos<'a>(&'a self, label: &'static str, count: usize) -> Repos<'a> {
        let repos = Repos { watch: self, count: count as u64 };
        if repos.are_several() {
            *locked(&self.seen) =
                Seen { label, total: repos.count, stepwise: true, ..Seen::default() };
            self.bar.set_length(repos.count);
        }
        repos
    }
}

/// Work on repos, perhaps at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repos<'a> {
    watch: &'a Watch,
    count: u64,
}

impl<'a> Repos<'a> {
    /// Watches the work on a repo. If there are several, it has a separate bar, which appears when
    /// it takes a while.
    pub(crate) fn next(self, repo: &impl Display) -> RepoWatch<'a> {
        let watch = self.watch;
        let own = self.are_several().then(|| watch.bars.watch_part(&watch.progress, BAR_DELAY));
        if let Some(own) = &own {
            locked(&own.seen).repo = repo.to_string();
        }
        RepoWatch { of: watch, own }
    }

    const fn are_several(self) -> bool {
        self.count > 1
    }
}

/// Work on one of the repos. Dropping it counts the repo as done.
#[derive(Debug)]
pub(crate) struct RepoWatch<'a> {
    of: &'a Watch,
    /// None: the only repo has the bar of the whole work.
    own: Option<Watch>,
}

impl RepoWatch<'_> {
    /// The progress callback for the host.
    pub(crate) fn progress(&self) -> &Progress {
        self.own.as_ref().unwrap_or(self.of).progress()
    }
}

impl Drop for RepoWatch<'_> {
    fn drop(&mut self) {
        if self.own.take().is_some() {
            let done = {
                let mut seen = locked(&self.of.seen);
                seen.done += 1;
                seen.done
            };
            self.of.bar.set_position(done);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(reveal) = self.reveal.take() {
            reveal.abort();
        }
        self.bar.finish_and_clear();
        self.bars.multi.remove(&self.bar);
    }
}

/// What the bar shows. It changes as a whole, so that no line mixes two phases.
#[derive(Debug, Default)]
struct Seen {
    repo: String,
    label: &'static str,
    done: u64,
    total: u64,
    /// `done` and `total` count steps or repos, not bytes, and events are ignored.
    stepwise: bool,
}

impl Seen {
    /// The text left of the bar.
    fn what(&self) -> String {
        if self.repo.is_empty() {
            self.label.to_owned()
        } else {
            format!("{}  {:<10}", self.repo, self.label)
        }
    }

    /// The text right of the bar; `speed` is in bytes per second.
    fn how_far(&self, speed: f64) -> String {
        let mut text = match (self.done, self.total) {
            (0, 0) => return String::new(),
            (done, total) if self.stepwise => return format!("{done} of {total}"),
            (done, 0) => text::size(done),
            (done, total) => format!("{:>8} of {}", text::size(done), text::size(total)),
        };
        if speed >= 1.0 && self.done < self.total {
            text.push_str(&format!("  {}/s", text::size(speed as u64)));
        }
        text
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bar_style(style: Style, seen: &Arc<Mutex<Seen>>) -> ProgressStyle {
    let template = match style.coloured() {
        true => "{spinner:.cyan} {what} {wide_bar:.cyan/dim} {how_far}",
        false => "{spinner} {what} {wide_bar} {how_far}",
    };
    let (what, how_far) = (seen.clone(), seen.clone());
    ProgressStyle::with_template(template)
        .expect("the templates are constants, and a test reads them")
        .progress_chars("━━─")
        .with_key("what", move |_: &ProgressState, to: &mut dyn Write| {
            put(to, &locked(&what).what())
        })
        .with_key("how_far", move |state: &ProgressState, to: &mut dyn Write| {
            put(to, &locked(&how_far).how_far(state.per_sec()))
        })
}

/// Writes to a bar's line. It is a string, so that writing can't fail.
fn put(to: &mut dyn Write, text: &str) {
    let _ = to.write_str(text);
}

/// Called often, from worker threads; most events only move the bar.
fn draw(bar: &ProgressBar, seen: &Mutex<Seen>, event: Event) {
    let label = text::phase(event.phase);
    let (done, total) = (event.done, event.total);
    // Drawing the bar takes this lock, so release it before.
    let same = {
        let mut seen = locked(seen);
        if seen.stepwise {
            return;
        }
        let same = seen.repo == event.repo && seen.label == label && seen.total == total;
        *seen = Seen { repo: event.repo, label, done, total, stepwise: false };
        same
    };
    if !same {
        bar.reset_eta();
        match total {
            0 => bar.unset_length(),
            total => bar.set_length(total),
        }
    }
    bar.set_position(done);
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::{ProgressDrawTarget, TermLike};
    use packhouse_host::Phase;

    use super::*;
    use crate::globals::When;
    use crate::style::Environment;

    fn event(phase: Phase, done: u64, total: u64) -> Event {
        Event { repo: "a/b".into(), phase, done, total }
    }

    /// A terminal that keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Paper(Arc<Mutex<String>>);

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn both_templates_show_what_is_done_and_how_far() {
        for when in [When::Always, When::Never] {
            let (paper, seen) = (Paper::default(), Arc::default());
            let style = bar_style(Style::choose(when, true, Environment::default()), &seen);
            let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
            let bar = ProgressBar::with_draw_target(None, target).with_style(style);
            draw(&bar, &seen, event(Phase::Splice, 512, 2048));
            bar.force_draw();
            let line = paper.0.lock().unwrap().clone();
            for text in ["a/b  writing", "━", "512 B of 2.0 KiB"] {
                assert!(line.contains(text), "{when:?}: {line}");
            }
        }
    }

    #[test]
    fn the_bar_follows_the_events() {
        let (bar, seen) = (ProgressBar::hidden(), Mutex::default());
        let bar_text = |speed| {
            let seen = locked(&seen);
            (seen.what(), seen.how_far(speed))
        };
        draw(&bar, &seen, event(Phase::Plan, 0, 0));
        assert_eq!(
            (bar.length(), bar_text(0.0)),
            (None, ("a/b  planning  ".into(), String::new()))
        );
        draw(&bar, &seen, event(Phase::Splice, 512, 2048));
        assert_eq!((bar.position(), bar.length()), (512, Some(2048)));
        assert_eq!(bar_text(0.0).1, "   512 B of 2.0 KiB");
        assert_eq!(bar_text(3e6).1, "   512 B of 2.0 KiB  2.9 MiB/s");
        draw(&bar, &seen, event(Phase::Receive, 512, 0));
        assert_eq!((bar.length(), bar_text(3e6).1), (None, "512 B".into()));
    }

    /// Bars that are drawn to a terminal.
    fn drawn() -> Bars {
        let target = ProgressDrawTarget::term_like(Box::new(Paper::default()));
        Bars::new(MultiProgress::with_draw_target(target), true, Style::PLAIN)
    }

    #[tokio::test]
    async fn of_repos_at_the_same_time_each_has_its_own_line() {
        let bars = drawn();
        let watch = bars.watch(Duration::ZERO);
        let shown = |watch: &Watch| {
            let seen = locked(&watch.seen);
            (seen.what(), seen.how_far(0.0))
        };
        let repos = watch.repos("importing repos", 3);
        let (one, other) = (repos.next(&"a/b"), repos.next(&"c/d"));
        assert_eq!(shown(one.own.as_ref().unwrap()).0.trim_end(), "a/b", "before anything is done");
        for (repo, done) in [("a/b", 512), ("c/d", 3), ("a/b", 1024), ("c/d", 6)] {
            let watch = if repo == "a/b" { &one } else { &other };
            watch.progress().at(repo, Phase::Copy, done, 2048).unwrap();
        }
        let own = |watch: &RepoWatch<'_>| shown(watch.own.as_ref().unwrap());
        assert_eq!(own(&one), ("a/b  copying   ".into(), " 1.0 KiB of 2.0 KiB".into()));
        assert_eq!(own(&other), ("c/d  copying   ".into(), "     6 B of 2.0 KiB".into()));
        assert_eq!(shown(&watch), ("importing repos".into(), "0 of 3".into()), "no event moves it");
        drop(one);
        assert_eq!((shown(&watch).1, watch.bar.position()), ("1 of 3".into(), 1));
        watch.progress().cancel();
        assert!(other.progress().is_cancelled() && repos.next(&"e/f").progress().is_cancelled());
    }

    #[tokio::test]
    async fn the_only_repo_has_the_line_of_the_whole_work() {
        let bars = drawn();
        let watch = bars.watch(Duration::ZERO);
        let only = watch.repos("importing repos", 1).next(&"a/b");
        only.progress().at("a/b", Phase::Copy, 512, 2048).unwrap();
        assert!(only.own.is_none());
        assert_eq!(locked(&watch.seen).what(), "a/b  copying   ");
    }

    #[tokio::test]
    async fn work_without_a_bar_can_be_cancelled() {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let watch = Bars::new(hidden, false, Style::PLAIN).watch(Duration::ZERO);
        watch.about("checking");
        assert!(watch.reveal.is_none() && watch.bar.is_hidden());
        assert!(!watch.progress().is_cancelled());
        watch.progress().cancel();
        assert!(watch.progress().is_cancelled());
    }
}
