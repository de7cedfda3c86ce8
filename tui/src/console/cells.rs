//! Text in terminal cells: measured, cut, padded and wrapped.

use ratatui::buffer::CellWidth;

/// The cells that a text takes. Escape it first.
pub(super) fn width(text: &str) -> usize {
    usize::from(text.cell_width())
}

/// The text, cut with `…` where it takes more than `room` cells.
pub(super) fn fit(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let (head, _) = split_at(text, room.saturating_sub(1));
    if room == 0 { String::new() } else { format!("{head}…") }
}

/// The end of the text, cut with `…` where it takes more than `room` cells: while typing, the end
/// matters.
pub(super) fn tail(text: &str, room: usize) -> String {
    let mut rest = text;
    while width(rest) + usize::from(rest.len() < text.len()) > room {
        let mut chars = rest.chars();
        if chars.next().is_none() {
            return String::new();
        }
        rest = chars.as_str();
    }
    if rest.len() < text.len() { format!("…{rest}") } else { text.to_owned() }
}

/// The text, cut in the middle with `…` where it takes more than `room` cells: of names, both ends
/// tell them apart.
pub(super) fn middle(text: &str, room: usize) -> String {
    if width(text) <= room || room < 3 {
        return fit(text, room);
    }
    let (head, _) = split_at(text, (room - 1).div_ceil(2));
    let end = tail(text, room - width(head));
    format!("{head}{end}")
}

/// The text in exactly `room` cells: cut, or padded with spaces on the right, or on the left for
/// numbers.
pub(super) fn pad(text: &str, room: usize, right: bool) -> String {
    let text = fit(text, room);
    let fill = " ".repeat(room.saturating_sub(width(&text)));
    if right { fill + &text } else { text + &fill }
}

/// The text in lines of at most `room` cells, broken at spaces where there are any.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        let line = lines.last().map_or("", String::as_str);
        if !line.is_empty() && width(line) + 1 + width(word) > room {
            lines.push(String::new());
        }
        while width(word) > room {
            let (head, rest) = split_at(word, room);
            lines.extend([head.to_owned(), String::new()]);
            word = rest;
        }
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// Splits a text so that its head takes at most `room` cells, but at least one character where
/// `room` isn't 0.
fn split_at(text: &str, room: usize) -> (&str, &str) {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += width(c.encode_utf8(&mut [0; 4]));
        if taken > room && (at > 0 || room == 0) {
            return text.split_at(at);
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fits_its_cells() {
        assert_eq!(
            [fit("abcdef", 4), fit("東京都", 4), fit("abc", 3), fit("abc", 0)],
            ["abc…", "東…", "abc", ""]
        );
        assert_eq!(
            [tail("abcdef", 4), tail("東京都", 4), tail("abc", 3), tail("abc", 0)],
            ["…def", "…都", "abc", ""]
        );
        assert_eq!(
            [middle("abcdefgh", 6), middle("abcdefgh", 5), middle("東京都東京都", 7)],
            ["abc…gh", "ab…gh", "東…京都"]
        );
        assert_eq!(
            [middle("abcdef", 6), middle("abcdef", 2), middle("abc", 0)],
            ["abcdef", "a…", ""]
        );
        assert_eq!([pad("東", 4, false), pad("7", 3, true)], ["東  ", "  7"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("東京", 1), ["東", "京"]);
    }
}
