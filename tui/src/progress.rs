//! The host's progress as a bar on stderr: for people at a terminal, and for work that lasts.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use packhouse_host::{Event, Phase, Progress};
use tokio::task::JoinHandle;

use crate::format;
use crate::style::Style;

/// Work that is done sooner shows no bar.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The place for bars, whether or not there is one. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    multi: MultiProgress,
    shown: bool,
    style: Style,
}

impl Bars {
    /// Bars are drawn through `multi` if `shown`.
    pub(crate) const fn new(multi: MultiProgress, shown: bool, style: Style) -> Bars {
        Bars { multi, shown, style }
    }

    /// What other writers to the terminal suspend.
    pub(crate) const fn multi(&self) -> &MultiProgress {
        &self.multi
    }

    /// The colours of stderr.
    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    /// Watches some work; its bar appears once it has lasted over `patience`.
    pub(crate) fn watch(&self, patience: Duration) -> Watch {
        if !self.shown {
            return Watch { progress: Progress::silent(), bar: ProgressBar::hidden(), reveal: None };
        }
        let bar = ProgressBar::hidden();
        let looks = Looks::new(self.style);
        bar.set_style(looks.counting.clone());
        let seen = Arc::new(Mutex::new(None));
        let progress = Progress::new({
            let bar = bar.clone();
            move |event| draw(&bar, &looks, &seen, &event)
        });
        let reveal = tokio::spawn({
            let (multi, bar) = (self.multi.clone(), bar.clone());
            async move {
                tokio::time::sleep(patience).await;
                multi.add(bar.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
            }
        });
        Watch { progress, bar, reveal: Some(reveal) }
    }
}

/// Some work that is watched. Its bar goes when this does.
#[derive(Debug)]
pub(crate) struct Watch {
    progress: Progress,
    bar: ProgressBar,
    reveal: Option<JoinHandle<()>>,
}

impl Watch {
    /// What the host is given.
    pub(crate) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Says what is being done where the host has no event for it.
    pub(crate) fn about(&self, what: &'static str) {
        self.bar.set_prefix("");
        self.bar.set_message(what);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(reveal) = self.reveal.take() {
            reveal.abort();
        }
        self.bar.finish_and_clear();
    }
}

/// How a bar looks where the end is known, and where it is not.
struct Looks {
    filling: ProgressStyle,
    counting: ProgressStyle,
}

impl Looks {
    fn new(style: Style) -> Looks {
        let (bar, spinner) = if style.coloured() { (".cyan/dim", ".cyan") } else { ("", "") };
        let look = |template: &str| {
            ProgressStyle::with_template(template)
                .expect("the templates are constants, and a test reads them")
                .progress_chars("━━─")
                .with_key("done", |state: &ProgressState, to: &mut dyn Write| put(to, format::bytes(state.pos())))
                .with_key("all", |state: &ProgressState, to: &mut dyn Write| {
                    put(to, format::bytes(state.len().unwrap_or_default()))
                })
                .with_key("speed", |state: &ProgressState, to: &mut dyn Write| {
                    put(to, format!("{}/s", format::bytes(state.per_sec() as u64)))
                })
        };
        Looks {
            filling: look(&format!(
                "{{spinner{spinner}}} {{prefix}} {{msg:10}} {{wide_bar{bar}}} {{done:>8}} of {{all}} {{speed:>10}}"
            )),
            counting: look(&format!("{{spinner{spinner}}} {{prefix}} {{msg}}")),
        }
    }
}

/// Into a bar's line, which is a string and takes anything.
fn put(to: &mut dyn Write, text: String) {
    let _ = to.write_str(&text);
}

/// What the bar shows just now.
type Seen = Mutex<Option<(String, Phase, u64)>>;

/// Called from worker threads, often: most events only move the bar.
fn draw(bar: &ProgressBar, looks: &Looks, seen: &Seen, event: &Event) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let same =
        seen.as_ref().is_some_and(|(repo, phase, total)| (repo, phase, total) == (&event.repo, &event.phase, &event.total));
    if !same {
        bar.set_style(if event.total > 0 { looks.filling.clone() } else { looks.counting.clone() });
        bar.set_prefix(event.repo.clone());
        bar.set_message(event.phase.label());
        bar.set_length(event.total);
        bar.reset_eta();
        *seen = Some((event.repo.clone(), event.phase, event.total));
    }
    bar.set_position(event.done);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_sound() {
        for style in [Style::PLAIN, Style::choose(crate::args::When::Always, true, crate::style::Environment::default())] {
            let bar = ProgressBar::hidden();
            let looks = Looks::new(style);
            let seen = Mutex::new(None);
            for (phase, done, total) in [(Phase::Plan, 0, 0), (Phase::Splice, 5, 10), (Phase::Splice, 10, 10)] {
                draw(&bar, &looks, &seen, &Event { repo: "a/b".into(), phase, done, total });
            }
            assert_eq!(
                (bar.prefix().as_str(), bar.message().as_str(), bar.position(), bar.length()),
                ("a/b", "splicing", 10, Some(10))
            );
        }
    }

    #[tokio::test]
    async fn hidden_bars_take_events_all_the_same() {
        let bars = Bars::new(MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden()), false, Style::PLAIN);
        let watch = bars.watch(Duration::ZERO);
        watch.progress().cancel();
    }
}
