//! Sizes, counts, times and foreign text, as people read them and as a terminal can bear them.

use jiff::Timestamp;
use ratatui::buffer::CellWidth;

/// Foreign text without anything that a terminal would obey, or that can't be seen.
pub(super) use packhouse_host::text::escaped as safe;

/// A size in bytes, at most seven characters before the unit: `791.9 KiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut value = bytes as f64 / 1024.0;
    // 1023.95 would be written as 1024.0, so the next unit starts there.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with its thousands apart: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 pack`, `7 packs`, `7 entities`, `7 days`.
pub(super) fn many(number: u64, one: &str) -> String {
    let ending = match (number, one.strip_suffix("ty")) {
        (1, _) => return format!("1 {one}"),
        (_, Some(stem)) => format!("{stem}ties"),
        (_, None) => format!("{one}s"),
    };
    format!("{} {ending}", count(number))
}

/// How long ago something was, in its largest unit.
pub(super) fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    match seconds {
        // Another machine's clock may be ahead of ours.
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} ago", many(seconds.unsigned_abs() / 60, "minute")),
        3600..86_400 => format!("{} ago", many(seconds.unsigned_abs() / 3600, "hour")),
        _ => format!("{} ago", many(seconds.unsigned_abs() / 86_400, "day")),
    }
}

/// How long something took: `480 ms`, `1.2 s`, `3 min 5 s`.
pub(super) fn lasting(milliseconds: u64) -> String {
    match milliseconds {
        ..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        _ => format!("{} min {} s", count(milliseconds / 60_000), milliseconds / 1000 % 60),
    }
}

/// How much of something is done, in percent; none when it isn't known.
pub(super) fn percent(done: u64, total: u64) -> Option<u64> {
    (total > 0).then(|| (u128::from(done.min(total)) * 100 / u128::from(total)) as u64)
}

/// Cells that a text takes. It must be [`safe`].
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

/// The end of the text, cut with `…` where it takes more than `room` cells: of what is typed, the
/// end is looked at.
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

/// The text in exactly `room` cells: cut, or filled with spaces on the right, or on the left for
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
    fn sizes_counts_and_times_in_words() {
        let sizes: Vec<String> =
            [0, 1023, 1024, 791_982, 1_048_575, u64::MAX].into_iter().map(size).collect();
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "773.4 KiB", "1.0 MiB", "16.0 EiB"]);
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!(
            [many(1, "entity"), many(0, "pack"), many(2, "entity")],
            ["1 entity", "0 packs", "2 entities"]
        );
        assert_eq!([lasting(7), lasting(1234), lasting(185_000)], ["7 ms", "1.2 s", "3 min 5 s"]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let ago: Vec<String> = [-5, 59, 60, 7300, 180_000]
            .into_iter()
            .map(|s| ago(at(1_000_000), at(1_000_000 - s)))
            .collect();
        assert_eq!(ago, ["just now", "just now", "1 minute ago", "2 hours ago", "2 days ago"]);
        assert_eq!([percent(1, 0), percent(9, 3), percent(1, 3)], [None, Some(100), Some(33)]);
    }

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
        assert_eq!([pad("東", 4, false), pad("7", 3, true)], ["東  ", "  7"]);
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("東京", 1), ["東", "京"]);
    }
}
