//! Replaces characters beyond ASCII: a last pass over a frame, so that no screen needs to handle
//! it.

use ratatui::buffer::{Buffer, CellWidth};

/// Replaces everything that is not ASCII.
pub(super) fn only(buffer: &mut Buffer) {
    let columns = usize::from(buffer.area.width).max(1);
    for row in buffer.content.chunks_mut(columns) {
        for at in 0..row.len() {
            if row[at].symbol().is_ascii() {
                continue;
            }
            let blank = |at: usize| row.get(at).is_some_and(|cell| cell.symbol() == " ");
            let wide = usize::from(row[at].symbol().cell_width()).max(1);
            // An ellipsis after a blank becomes three dots, if there is room; one that marks cut
            // text stays a single character.
            let dots = row[at].symbol() == "…"
                && at > 0
                && blank(at - 1)
                && blank(at + 1)
                && blank(at + 2);
            let sign = if dots { '.' } else { sign(row[at].symbol()) };
            row[at].set_char(sign);
            // Clear the second cell of a wide character.
            for cell in row.iter_mut().skip(at + 1).take(wide - 1) {
                cell.set_char(' ');
            }
            for cell in row.iter_mut().skip(at + 1).take(if dots { 2 } else { 0 }) {
                cell.set_char('.');
            }
        }
    }
}

fn sign(symbol: &str) -> char {
    let mut chars = symbol.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return '?' };
    match c {
        '▸' | '›' | '→' | '▶' => '>',
        '←' | '◂' => '<',
        '↑' | '▲' => '^',
        '↓' | '▼' => 'v',
        '·' | '–' | '—' | '─' => '-',
        '│' | '▏' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' => '+',
        '╮' => '\\',
        '╯' => '/',
        '…' => '~',
        '“' | '”' => '"',
        '‘' | '’' => '\'',
        '●' | '•' => '*',
        '✓' => '+',
        '✗' | '×' => 'x',
        // Bars, by their height.
        '░' | '▁' => '.',
        '▂' => ':',
        '▃' => '-',
        '▄' => '=',
        '▒' | '▅' => '+',
        '▆' => '*',
        '▓' | '▇' => '%',
        '█' => '#',
        '\u{2800}'..='\u{28ff}' => dots(c),
        '\u{a0}' => ' ',
        _ => '?',
    }
}

/// A braille pattern, by its upper and lower half.
fn dots(c: char) -> char {
    const UPPER: u32 = 0b0001_1011;
    let pattern = u32::from(c) - 0x2800;
    match (pattern & UPPER != 0, pattern & !UPPER != 0) {
        (false, false) => ' ',
        (true, false) => '\'',
        (false, true) => '.',
        (true, true) => ':',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    fn after(text: &str) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 24, 1));
        buffer.set_string(0, 0, text, ratatui::style::Style::new());
        only(&mut buffer);
        buffer.content().iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn characters_are_replaced_cell_by_cell() {
        assert_eq!(after("▸ a › b · 7"), "> a > b - 7");
        assert_eq!(after("│█░▏“x”│ ✓ ✗ ×"), "|#.|\"x\"| + x x");
        assert_eq!(after("▁▂▃▄▅▆▇█ ⠁⠄⣿⠀x"), ".:-=+*%# '.: x");
        assert_eq!(after("東京 é e\u{301}x"), "? ?  ? ?x");
        // After cut text there is no room for dots.
        assert_eq!(
            [after("reading …"), after("abc…  7"), after("… 7")],
            ["reading ...", "abc~  7", "~ 7"]
        );
    }
}
