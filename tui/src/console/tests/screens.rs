//! How the screens look, at 60, 80 and 120 columns. The pictures are in `snapshots/`; after a change that is meant,
//! `INSTA_UPDATE=always cargo test -p packhouse` draws them anew.

use packhouse_host::{Phase, Problem, ProblemKind};
use ratatui::style::{Color, Modifier};

use super::fake::{Fake, gc_report, record, report};
use super::{Console, text};
use crate::console::view::{Theme, view};

const SIZES: [(u16, u16); 3] = [(60, 15), (80, 20), (120, 24)];

/// The screen after some keys, at all sizes.
async fn pictures(fake: impl Fn() -> Fake, keys: &[&str]) -> String {
    let mut pictures = String::new();
    for (columns, rows) in SIZES {
        let mut console = Console::on(fake(), columns, rows).await;
        console.press(keys).await;
        pictures += &format!("{:─^width$}\n{}", format!(" {columns} × {rows} "), console.screen(), width = usize::from(columns));
    }
    pictures
}

#[tokio::test]
async fn repos() {
    insta::assert_snapshot!("repos", pictures(Fake::three, &[]).await);
}

#[tokio::test]
async fn repo() {
    let fake = || {
        let fake = Fake::three();
        let mut photos = report("gabriel/photos", 1);
        photos.stored_bytes += 2_732_032;
        photos.last_gc = Some(record(&gc_report(&report("gabriel/photos", 23)), "2026-07-01T09:30:00Z"));
        fake.put(photos);
        fake
    };
    insta::assert_snapshot!("repo", pictures(fake, &["Down", "Enter"]).await);
}

#[tokio::test]
async fn gate() {
    insta::assert_snapshot!("gate", pictures(Fake::three, &["g"]).await);
}

#[tokio::test]
async fn running() {
    let mut pictures = String::new();
    for (columns, rows) in SIZES {
        let fake = Fake::three();
        fake.hold("run");
        let mut console = Console::on(fake, columns, rows).await;
        console.press(&["g", "y"]).await;
        console.fake.tell(Phase::Splice, 348_365, 810_990);
        console.until_seen("42 %").await;
        pictures += &format!("{:─^width$}\n{}", format!(" {columns} × {rows} "), console.screen(), width = usize::from(columns));
    }
    insta::assert_snapshot!("running", pictures);
}

#[tokio::test]
async fn consolidated() {
    insta::assert_snapshot!("consolidated", pictures(Fake::three, &["g", "y"]).await);
}

#[tokio::test]
async fn findings() {
    insta::assert_snapshot!(
        "findings",
        pictures(|| damaged("its bytes hash to sha256:00; restore that file from a backup"), &["v"]).await
    );
}

#[tokio::test]
async fn leave() {
    let fake = || {
        let fake = Fake::three();
        fake.hold("verify");
        fake
    };
    insta::assert_snapshot!("leave", pictures(fake, &["v", "Ctrl-c"]).await);
}

#[tokio::test]
async fn help() {
    insta::assert_snapshot!("help", pictures(Fake::three, &["?"]).await);
}

#[tokio::test]
async fn hostile_words_and_tiny_terminals_break_nothing() {
    let long = format!("{}/{}", "o".repeat(100), "s".repeat(100));
    let hostile = "東京\x1b]0;gone\x07\r\n\u{202e}\u{200b}é🦀 ".repeat(40);
    for (columns, rows) in [(1, 1), (2, 3), (10, 4), (59, 14), (60, 15), (200, 60)] {
        for keys in [&[][..], &["Enter"], &["g"], &["v"], &["?"], &["/", "東", "🦀"], &["g", "y"], &["End", "PageDown"]] {
            let fake = damaged(&hostile);
            let mut worst = report(&long, u64::from(u8::MAX));
            worst.branch_heads = [(hostile.clone(), hostile.clone())].into();
            worst.bytes = u64::MAX / 2;
            worst.last_gc = Some(record(&gc_report(&worst), "2026-07-01T09:30:00Z"));
            worst.last_gc.as_mut().unwrap().outcome = hostile.clone();
            fake.put(report("a/a", 2));
            fake.put(worst);
            let mut console = Console::on(fake, columns, rows).await;
            console.press(keys).await;
            let screen = console.screen();
            assert!(!screen.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{screen}");
        }
    }
}

#[tokio::test]
async fn without_colour_everything_is_said_in_words_and_weights() {
    let mut console = Console::on(damaged("bad"), 80, 20).await;
    for keys in [&["v"][..], &["Esc"], &["g"]] {
        console.press(keys).await;
        let cells = console.app.terminal.backend().buffer().content();
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }
}

#[tokio::test]
async fn colours_and_weights_say_what_the_words_say() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.app.model.theme = Theme::Colour;
    console.app.terminal.draw(|frame| _ = view(&console.app.model, frame)).unwrap();
    let terminal = console.app.terminal.backend();
    let screen = text(terminal);
    let style_of = |words: &str| {
        let (y, line) = screen.lines().enumerate().find(|(_, line)| line.contains(words)).unwrap();
        let x = line.split(words).next().unwrap().chars().count();
        let cell = &terminal.buffer()[(x as u16, y as u16)];
        (cell.fg, cell.modifier)
    };
    assert_eq!(style_of("7 packs to merge"), (Color::Yellow, Modifier::REVERSED));
    assert_eq!(style_of("in order"), (Color::Green, Modifier::empty()));
    assert_eq!(style_of("gabriel/notes"), (Color::Reset, Modifier::REVERSED));
    assert_eq!(style_of("gabriel/photos"), (Color::Reset, Modifier::empty()));
}

fn damaged(detail: &str) -> Fake {
    let fake = Fake::three();
    let pack = report("a/b", 2).pack_keys.pop();
    let entity = Some(format!("object sha256:{}", "0e".repeat(32)));
    fake.damage(vec![
        Problem { kind: ProblemKind::DamagedPack, entity, pack, detail: detail.to_owned() },
        Problem { kind: ProblemKind::MissingPack, entity: None, pack, detail: detail.to_owned() },
    ]);
    fake
}
