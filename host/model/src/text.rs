//! Makes untrusted text safe to display: in a terminal, in a log, in a message; and times, URLs and
//! lists as people write them.

use url::Url;

/// The text with every character escaped that is invisible or controls a terminal: controls, marks
/// that change the direction of what follows, spaces of no width, line separators, private and
/// unassigned characters. An ordinary space stays.
///
/// All output of untrusted text goes through this one function.
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c != ' ' && is_invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// A size in binary units, at most seven characters before the unit: `773.4 KiB`, `48.0 MiB`.
pub fn size(bytes: u64) -> String {
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

/// A time of whole seconds in its largest whole unit: `30d`, `12h`, `30m`, `90s`.
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "m")];
    let whole = UNITS.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// Whether a character has no shape of its own: Unicode's categories Cc, Cf, Cn, Co, Zl, Zp and Zs,
/// and the letters and marks that Unicode says to draw as nothing. Variation selectors are not
/// among them: they choose between two shapes of the character before them.
pub fn is_invisible(c: char) -> bool {
    match c {
        ' ' => true,
        '!'..='~' => false,
        // Drawn as nothing, yet marks, letters or symbols by category: grapheme joiner, Hangul
        // fillers, Khmer inherent vowels, Mongolian selectors, an empty Braille cell.
        '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{ffa0}' => true,
        // The standard library escapes exactly those categories. Behind another character, so that
        // combining marks are left alone.
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        _ => ['a', c].iter().collect::<String>().escape_debug().nth(1) == Some('\\'),
    }
}

/// Whether it changes the shape of the preceding character, and has none itself.
pub(crate) fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The lines of a text that have two words, each with its number, from 1; without empty lines and
/// those that begin with `#`. None: a line has another number of words.
pub fn pairs(text: &str) -> impl Iterator<Item = (usize, Option<(&str, &str)>)> {
    let lines = text.lines().map(str::trim).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, number)| {
        let mut words = line.split_whitespace();
        let pair = words.next().zip(words.next()).filter(|_| words.next().is_none());
        (number, pair)
    })
}

/// An http(s) URL with a host, and without user, `?` and `#`; none for another text.
pub fn plain_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_plain = url.query().is_none() && url.fragment().is_none() && !has_user;
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal() {
        let sizes: Vec<String> =
            [0, 1023, 1024, 791_982, 1_048_575, 48 << 20, u64::MAX].into_iter().map(size).collect();
        assert_eq!(
            sizes,
            ["0 B", "1023 B", "1.0 KiB", "773.4 KiB", "1.0 MiB", "48.0 MiB", "16.0 EiB"]
        );
    }

    #[test]
    fn a_time_has_its_largest_whole_unit() {
        let spans = [0, 90, 1800, 43_200, 86_400, 90_000].map(span);
        assert_eq!(spans, ["0s", "90s", "30m", "12h", "1d", "25h"]);
    }

    #[test]
    fn what_others_wrote_can_neither_command_the_terminal_nor_hide() {
        assert_eq!(escaped("a\x1b[2Jb\r\n\u{202e}c\u{9b}"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c\\u{9b}");
        for hidden in [
            '\u{ad}', '\u{61c}', '\u{200b}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}',
            '\u{2060}', '\u{2066}', '\u{feff}',
        ]
        .into_iter()
        .chain([
            '\u{a0}',
            '\u{3000}',
            '\u{e000}',
            '\u{e0041}',
            '\u{378}',
            '\u{34f}',
            '\u{3164}',
            '\u{10ffff}',
            '\u{7f}',
            '\0',
        ]) {
            assert_eq!(
                escaped(&format!("x{hidden}y")),
                format!("x{}y", hidden.escape_default()),
                "{hidden:?}"
            );
        }
    }

    #[test]
    fn what_can_be_seen_stays_as_it_is() {
        for seen in
            ["ünï→code", "Zoë 東京", "it's \"so\" a\\b", "e\u{301}", "❤\u{fe0f}", "नमस्ते", "main"]
        {
            assert_eq!(escaped(seen), seen);
        }
    }
}
