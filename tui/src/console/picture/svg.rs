//! A frame as SVG. Cells of the same style become one text, stretched to the width of its cells, so
//! that columns are aligned in any font. Bars are drawn as rectangles.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell, CellWidth};
use ratatui::style::{Color, Modifier};

/// The size of a cell, in tenths of a pixel, for exact sums.
const CELL: (usize, usize) = (84, 180);
/// The margin around the cells, and the height of the title bar.
const EDGE: usize = 140;
const BAR: usize = 300;

const GROUND: &str = "#15181e";
const FRAME: &str = "#20242c";
const LINE: &str = "#343a46";
const TEXT: &str = "#d6dae2";

/// The sixteen colours, for the background.
fn hex(colour: Color, default: &'static str) -> &'static str {
    match colour {
        Color::Black => "#2b303a",
        Color::Red => "#f0767b",
        Color::Green => "#8fca7f",
        Color::Yellow => "#e8c16f",
        Color::Blue => "#6fb1f5",
        Color::Magenta => "#cf8fe6",
        Color::Cyan => "#5cc5d1",
        Color::Gray => "#aeb5c2",
        Color::DarkGray => "#808998",
        Color::LightRed => "#ff9a9e",
        Color::LightGreen => "#b3e3a6",
        Color::LightYellow => "#f5d999",
        Color::LightBlue => "#9bcbff",
        Color::LightMagenta => "#e2b5f2",
        Color::LightCyan => "#92e0e9",
        Color::White => "#f2f4f8",
        _ => default,
    }
}

/// The style of a cell, as SVG has it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CellStyle {
    text: &'static str,
    ground: &'static str,
    bold: bool,
    dim: bool,
}

fn style_of(cell: &Cell) -> CellStyle {
    let (text, ground) = (hex(cell.fg, TEXT), hex(cell.bg, GROUND));
    let has = |weight| cell.modifier.contains(weight);
    let (text, ground) = if has(Modifier::REVERSED) { (ground, text) } else { (text, ground) };
    CellStyle { text, ground, bold: has(Modifier::BOLD), dim: has(Modifier::DIM) }
}

/// Adjacent cells with the same style.
struct Run {
    column: usize,
    cells: usize,
    text: String,
    style: CellStyle,
}

/// The runs of a row.
fn runs(row: &[Cell]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    while let Some(cell) = row.get(column) {
        let (cells, style) = (usize::from(cell.symbol().cell_width()).max(1), style_of(cell));
        match runs.last_mut().filter(|run| run.style == style) {
            Some(run) => {
                run.cells += cells;
                run.text.push_str(cell.symbol());
            }
            None => runs.push(Run { column, cells, text: cell.symbol().to_owned(), style }),
        }
        column += cells;
    }
    runs
}

/// The height of a block character in eighths, and its opacity.
fn block(c: char) -> Option<(usize, &'static str)> {
    match c {
        '░' => Some((8, " opacity=\".25\"")),
        '▒' => Some((8, " opacity=\".5\"")),
        '▁'..='█' => Some((c as usize - '▁' as usize + 1, "")),
        _ => None,
    }
}

fn tenths(number: usize) -> String {
    if number.is_multiple_of(10) {
        (number / 10).to_string()
    } else {
        format!("{}.{}", number / 10, number % 10)
    }
}

fn rect(out: &mut String, [x, y, width, height]: [usize; 4], fill: &str, more: &str) {
    let [x, y, width, height] = [x, y, width, height].map(tenths);
    let _ = writeln!(
        out,
        r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"{more}/>"#
    );
}

/// A frame as an SVG.
pub(super) fn svg(buffer: &Buffer, title: &str) -> String {
    let (columns, rows) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (width, height) = (2 * EDGE + columns * CELL.0, BAR + 2 * EDGE + rows * CELL.1);
    let (title, [w, h]) = (escaped(title), [width, height].map(tenths));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         aria-labelledby=\"t\">\n<title id=\"t\">{title}</title>\n"
    );
    rect(&mut out, [5, 5, width - 10, height - 10], GROUND, &format!(r#" stroke="{LINE}" rx="8""#));
    let (right, bar) = (tenths(width - 5), tenths(BAR));
    let _ = writeln!(
        out,
        r#"<path d="M.5 {bar}V8.5a8 8 0 0 1 8-8H{}a8 8 0 0 1 8 8V{bar}z" fill="{FRAME}"/>"#,
        tenths(width - 85)
    );
    let _ = writeln!(out, r#"<path d="M.5 {bar}H{right}" stroke="{LINE}"/>"#);
    let fonts =
        "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";
    let _ = writeln!(out, r#"<g font-family="{fonts}" font-size="14" fill="{TEXT}">"#);
    let _ = writeln!(
        out,
        r##"<text x="{}" y="20" text-anchor="middle" fill="#aeb5c2">packhouse console</text>"##,
        tenths(width / 2)
    );
    for (nth, row) in buffer.content().chunks(columns.max(1)).enumerate() {
        let top = BAR + EDGE + nth * CELL.1;
        for run in runs(row) {
            draw(&mut out, &run, top);
        }
    }
    out + "</g>\n</svg>\n"
}

fn draw(out: &mut String, run: &Run, top: usize) {
    let CellStyle { text: fill, ground, bold, dim } = run.style;
    let left = |column: usize| EDGE + column * CELL.0;
    if ground != GROUND {
        rect(out, [left(run.column), top, run.cells * CELL.0, CELL.1], ground, "");
    }
    let weight = if bold { " font-weight=\"700\"" } else { "" };
    let fade = if dim { " opacity=\".6\"" } else { "" };
    let colour = if fill == TEXT { String::new() } else { format!(" fill=\"{fill}\"") };
    for (column, text) in pieces(run) {
        let cells = usize::from(text.cell_width());
        if let Some((eighths, dense)) = text.chars().next().and_then(block) {
            let high = (CELL.1 - 40) * eighths / 8;
            rect(out, [left(column), top + CELL.1 - 20 - high, cells * CELL.0, high], fill, dense);
            continue;
        }
        let (x, y, length, text) =
            (tenths(left(column)), tenths(top + 135), tenths(cells * CELL.0), escaped(text));
        let _ = writeln!(
            out,
            r#"<text x="{x}" y="{y}" textLength="{length}" lengthAdjust="spacingAndGlyphs"{colour}{weight}{fade}>{text}</text>"#
        );
    }
}

/// Splits a run at double blanks and between different block characters.
fn pieces(run: &Run) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let (mut column, mut rest) = (run.column, run.text.as_str());
    while let Some(first) = rest.chars().next() {
        let end = match first {
            ' ' => rest.len() - rest.trim_start_matches(' ').len(),
            c if block(c).is_some() => rest.len() - rest.trim_start_matches(c).len(),
            _ => {
                let blanks = rest.find("  ").unwrap_or(rest.len());
                rest.find(|c| block(c).is_some()).unwrap_or(rest.len()).min(blanks)
            }
        };
        let (piece, behind) = rest.split_at(end);
        let text = piece.trim_end_matches(' ');
        if !text.is_empty() {
            pieces.push((column, text));
        }
        column += usize::from(piece.cell_width());
        rest = behind;
    }
    pieces
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[test]
fn untrusted_text_is_escaped() {
    let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 12, 1));
    buffer.set_string(0, 0, "a<b>&\"東  x█", ratatui::style::Style::new());
    let drawn = svg(&buffer, "<script>");
    assert!(
        drawn.contains(">a&lt;b&gt;&amp;&quot;東</text>")
            && drawn.contains("<title id=\"t\">&lt;script&gt;</title>"),
        "{drawn}"
    );
    // The wide character takes two cells, so x is in the eleventh.
    assert!(
        drawn.contains(
            r#"<text x="98" y="57.5" textLength="8.4" lengthAdjust="spacingAndGlyphs">x</text>"#
        ),
        "{drawn}"
    );
}
