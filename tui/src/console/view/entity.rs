//! A record: what it says, where it is, and the beginning of its bytes.
//!
//! ```text
//!  packhouse › gabriel/notes › sha256:9f86d081884c
//!  object sha256:9f86d081884c…
//!
//!  Path        takes/bridge_01.wav
//!  Content     2.6 KiB
//!  Pack        sha256:055b71f6…
//!  Place       byte 18,204, 2,731 bytes
//!
//!  BYTES: THE FIRST 16.0 KiB
//!  00000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52  ·PNG········IHDR
//!
//!  Esc back
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::job::json;
use super::parts::{failure_lines, key_fact, long_fact, plain, room, scrolled, styled};
use crate::console::cells::wrap;
use crate::console::state::{Entity, Extent, Model, Opened};
use crate::text::{count, escaped, plural, size};

/// Draws the screen.
pub(super) fn draw(model: &Model, entity: &Entity, frame: &mut Frame, area: Rect) -> Extent {
    scrolled(frame, area, lines(model, entity, room(area)), entity.top.at(usize::MAX))
}

fn lines(model: &Model, entity: &Entity, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = Vec::new();
    if let Some(failure) = &entity.failure {
        lines.extend(failure_lines(styles, "Reading the record", failure, room));
        lines.push(Line::default());
    }
    let Some(opened) = &entity.known else {
        if entity.failure.is_none() {
            let is_down = model.is_disconnected();
            lines.push(Line::raw(if is_down {
                "Reconnecting …"
            } else {
                "Reading the record …"
            }));
        }
        return lines;
    };
    let (record, place) = (&opened.record, &opened.record.place);
    let title = format!("{} {}", place.kind, escaped(&place.id));
    lines.extend(styled(wrap(&title, room), styles.strong()));
    lines.push(Line::default());
    if let Some(path) = &entity.path {
        lines.extend(long_fact(styles, "Path", path, room));
    }
    if let Some(bytes) = record.content_bytes {
        lines.extend(long_fact(styles, "Content", &sized(bytes), room));
    }
    lines.extend(key_fact(styles, &place.mpack_key.to_string(), room));
    let at = format!("at byte {}, {}", count(place.offset), sized(place.length));
    lines.extend(long_fact(styles, "Place", &at, room));
    lines.push(Line::default());
    let bytes = match &opened.beginning {
        Ok(bytes) => bytes,
        Err(failure) => {
            lines.extend(failure_lines(styles, "Reading its content", failure, room));
            return lines;
        }
    };
    let (title, shown) = match (&record.fields, opened.text()) {
        (Some(fields), _) if !entity.raw => ("FIELDS", json(fields, room)),
        (None, Some(text)) if !entity.raw => (
            "CONTENT",
            plain(text.lines().flat_map(|line| folded(&escaped(&tabs(line)), room)).collect()),
        ),
        _ => ("BYTES", hex(bytes, room)),
    };
    lines.push(Line::styled(headed(title, opened, bytes.len()), styles.quiet()));
    lines.extend(shown);
    if bytes.is_empty() {
        lines.push(Line::raw("none: it is empty"));
    }
    lines
}

/// `2.6 KiB (2,731 bytes)`.
fn sized(bytes: u64) -> String {
    match bytes {
        ..1024 => plural(bytes, "byte"),
        _ => format!("{} ({})", size(bytes), plural(bytes, "byte")),
    }
}

/// The heading, which says if not all is displayed.
fn headed(title: &str, opened: &Opened, read: usize) -> String {
    let is_cut = title != "FIELDS" && opened.bytes() > read as u64;
    match is_cut {
        true => format!("{title}: THE FIRST {}", size(read as u64)),
        false => title.to_owned(),
    }
}

/// A line of text with blanks instead of tabs.
fn tabs(line: &str) -> String {
    line.replace('\t', "    ")
}

/// A line in as many lines as it needs, each blank kept.
fn folded(line: &str, room: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    if line.trim().is_empty() {
        return vec![String::new()];
    }
    let indent = indent.min(room / 2);
    let wrapped = wrap(line.trim_start_matches(' '), room.saturating_sub(indent));
    wrapped.into_iter().map(|part| " ".repeat(indent) + &part).collect()
}

/// Bytes in hexadecimal: their position, 16 of them, and the characters that they are. With less
/// room, 8.
fn hex(bytes: &[u8], room: usize) -> Vec<Line<'static>> {
    let columns = if room >= 10 + 3 * 16 + 2 + 16 { 16 } else { 8 };
    let line = |(at, bytes): (usize, &[u8])| {
        let (mut digits, mut text) = (String::new(), String::new());
        for (at, byte) in bytes.iter().enumerate() {
            digits += if at == 8 {
                "  "
            } else if at > 0 {
                " "
            } else {
                ""
            };
            digits += &format!("{byte:02x}");
            text.push(if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '.'
            });
        }
        let wide = 3 * columns - 1 + usize::from(columns > 8);
        Line::raw(format!("{:08x}  {digits:wide$}  {text}", at * columns))
    };
    bytes.chunks(columns).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_displayed_with_their_positions_and_characters() {
        let bytes: Vec<u8> = (0x58..0x6a).chain([0, 255]).collect();
        let text =
            |room| -> Vec<String> { hex(&bytes, room).iter().map(ToString::to_string).collect() };
        assert_eq!(
            text(78),
            [
                "00000000  58 59 5a 5b 5c 5d 5e 5f  60 61 62 63 64 65 66 67  XYZ[\\]^_`abcdefg",
                "00000010  68 69 00 ff                                       hi..",
            ]
        );
        assert_eq!(text(58)[2], "00000010  68 69 00 ff              hi..");
    }
}
