//! The connection to a remote store: its latency in the header while it is up, and a line below the
//! header while it is down.
//!
//! ```text
//!  packhouse › repos                                        1 running · remote 12 ms · https://store.example
//! ```
//!
//! ```text
//!  packhouse › repos                                                       1 running · https://store.example
//!  Disconnected 14 s · data 20 s old · retrying · connection refused
//! ```
//!
//! Times keep counting while it is down, so that the operator sees that the data is old.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::Paragraph;

use super::run::{seconds, since};
use crate::console::cells::{fit, width};
use crate::console::state::Model;
use crate::text::{duration, escaped};

/// Minimum number of cells for the error.
const WHY: usize = 12;

/// The note in the header while the connection is up; nothing for a local store.
pub(super) fn note(model: &Model) -> Vec<String> {
    match &model.connection {
        Some(connection) if connection.down.is_none() => match connection.latency {
            Some(latency) => {
                let took = duration(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
                vec![format!("remote {took}"), "remote".to_owned()]
            }
            None => vec!["remote".to_owned()],
        },
        _ => Vec::new(),
    }
}

/// Rows below the header.
pub(super) fn rows(model: &Model) -> u16 {
    u16::from(model.is_disconnected())
}

/// Draws the line below the header.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let banner = banner(model, usize::from(area.width).saturating_sub(2));
    frame.render_widget(Paragraph::new(format!(" {banner}")).style(model.styles.alarm()), area);
}

/// How long it is down, the age of the data, that it is retried, and the error: as much as fits.
fn banner(model: &Model, room: usize) -> String {
    let Some(connection) = &model.connection else { return String::new() };
    let Some((began, why)) = &connection.down else { return String::new() };
    let mut banner = format!("Disconnected {}", seconds(since(model, Some(*began))));
    let old = connection.heard_at.map(|at| format!("data {} old", seconds(since(model, Some(at)))));
    for more in old.into_iter().chain(["retrying".to_owned()]) {
        if width(&banner) + 3 + width(&more) <= room {
            banner = format!("{banner} · {more}");
        }
    }
    let left = room.saturating_sub(width(&banner) + 3);
    if left >= WHY && !why.is_empty() {
        banner = format!("{banner} · {}", fit(&escaped(why), left));
    }
    banner
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use packhouse_host::ConnectionStatus;

    use crate::console::tests::fake::now;
    use crate::console::view::tests::{model, shown};

    #[test]
    fn narrow_terminals_keep_the_most_important_parts() {
        let mut model = model();
        let down = Some((now() - 185.seconds(), "connection refused".to_owned()));
        model.connection =
            Some(ConnectionStatus { down, latency: None, heard_at: Some(now() - 200.seconds()) });
        let line =
            |columns| shown(&model, columns, 9).lines().nth(1).unwrap_or_default().to_owned();
        let all = " Disconnected 3 min 5 s · data 3 min 20 s old · retrying";
        assert_eq!(line(120), format!("{all} · connection refused"));
        assert_eq!(line(60), all);
        assert_eq!(line(48), " Disconnected 3 min 5 s · data 3 min 20 s old");
        assert_eq!(line(30), " Disconnected 3 min 5 s");
    }

    #[test]
    fn a_store_that_never_responded_has_no_age() {
        let mut model = model();
        let down = Some((now(), String::new()));
        model.connection = Some(ConnectionStatus { down, latency: None, heard_at: None });
        let seen = shown(&model, 80, 9);
        assert!(
            seen.contains(" Disconnected 0 s · retrying\n") && seen.contains("Reconnecting …"),
            "{seen}"
        );
    }
}
