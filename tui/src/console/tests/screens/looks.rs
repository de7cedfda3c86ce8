//! Any text in any terminal, and the colours of the themes.

use packhouse_host::JobStatus;
use packhouse_host::access::Scope;
use ratatui::style::{Color, Modifier};

use super::super::fake::{commit, file, job, last_gc, summary, token};
use super::super::{Console, text};
use super::{busy, damaged};
use crate::console::theme::{Styles, Theme};
use crate::console::view::view;

#[tokio::test]
async fn hostile_text_and_tiny_terminals_break_nothing() {
    let long = format!("{}/{}", "o".repeat(100), "s".repeat(100));
    let hostile = "東京\x1b]0;gone\x07\r\n\u{202e}\u{200b}é🦀 ".repeat(40);
    for (columns, rows) in [(1, 1), (2, 3), (10, 4), (59, 14), (60, 15), (200, 60)] {
        for keys in [
            &[][..],
            &["Enter"],
            &["g"],
            &["v"],
            &["?"],
            &["/", "東", "🦀"],
            &["g", "y"],
            &["h"],
            &["2"],
            &["2", "Enter", "End"],
            &["2", "x"],
            &["3", "Down"],
            &["l"],
            &["P"],
            &["7"],
            &["7", "x"],
            &["8"],
            &["b"],
            &["b", "Enter"],
            &["b", "Enter", "Enter", "x"],
            &["f", "0", "b", "0", "b", "Enter"],
            &[":", "🦀"],
        ] {
            for ascii in [false, true] {
                let store = damaged(&hostile);
                let mut worst = summary(&long, u64::from(u8::MAX));
                worst.last_gc = Some(last_gc("failed", "2026-07-01T09:30:00Z"));
                if let Some(last) = &mut worst.last_gc {
                    (last.outcome, last.error) = (hostile.clone(), Some(hostile.clone()));
                }
                let repos = vec!["a/*".parse().unwrap()];
                store.put_token(token("aa", Scope::Read, &hostile, repos, None));
                let mut foreign = commit(1, &[2, 3]);
                (foreign.message, foreign.author) = (Some(hostile.clone()), Some(hostile.clone()));
                (foreign.branches, foreign.tags) = (vec![hostile.clone()], vec![hostile.clone()]);
                foreign.committed_at = Some(hostile.clone());
                store.put_commits(vec![foreign, commit(2, &[])]);
                store.put_files(vec![file(&hostile)]);
                store.put_object("0b", hostile.as_bytes());
                store.put(&summary("a/a", 2));
                store.put(&worst);
                let mut foreign = job(1, &long, JobStatus::Queued);
                (foreign.reason, foreign.worker) = (Some(hostile.clone()), Some(hostile.clone()));
                foreign.result = Some(hostile.as_str().into());
                store.put_job(foreign);
                let mut console = Console::on(store, columns, rows).await;
                (console.app.model.styles.ascii, console.app.model.dirty) = (ascii, true);
                console.settle().await;
                console.press(keys).await;
                let screen = console.screen();
                assert!(
                    !screen.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'),
                    "{screen}"
                );
                assert!(!ascii || screen.is_ascii(), "{screen}");
            }
        }
    }
}

#[tokio::test]
async fn without_colours_text_and_weights_say_everything() {
    let mut console = Console::on(damaged("bad"), 80, 20).await;
    for keys in [&["v"][..], &["Esc"], &["g"], &["y"], &["Esc", "h"], &["l"]] {
        console.press(keys).await;
        let cells = console.app.terminal.backend().buffer().content();
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }
}

#[tokio::test]
async fn colours_and_weights_match_the_text() {
    let store = busy();
    store.put(&summary("studio/live", 60));
    let mut console = Console::on(store, 120, 20).await;
    let mut style_of = |theme: Theme, word: &str| {
        console.app.model.styles = Styles { theme, ascii: false };
        console.app.terminal.draw(|frame| _ = view(&console.app.model, frame)).unwrap();
        let terminal = console.app.terminal.backend();
        let screen = text(terminal);
        let found = screen.lines().enumerate().find(|(_, line)| line.contains(word));
        let (y, line) = found.unwrap_or_else(|| panic!("“{word}” is missing on:\n{screen}"));
        let x = line.split(word).next().unwrap().chars().count();
        let cell = &terminal.buffer()[(x as u16, y as u16)];
        (cell.fg, cell.modifier)
    };
    let fragmented = "fragmented (60)";
    assert_eq!(style_of(Theme::Default, fragmented), (Color::Yellow, Modifier::empty()));
    assert_eq!(style_of(Theme::Default, "fragmented (23)"), (Color::Reset, Modifier::empty()));
    assert_eq!(style_of(Theme::Default, "fragmented (7)").1, Modifier::REVERSED);
    assert_eq!(style_of(Theme::Default, "ok"), (Color::Green, Modifier::empty()));
    assert_eq!(style_of(Theme::Default, "gabriel/notes"), (Color::Reset, Modifier::REVERSED));
    assert_eq!(style_of(Theme::Default, "gabriel/photos"), (Color::Reset, Modifier::empty()));
    assert_eq!(style_of(Theme::Mono, "ok").0, Color::Reset);
    // Yellow is unreadable on white.
    assert_ne!(style_of(Theme::Light, fragmented).0, Color::Yellow);
}
