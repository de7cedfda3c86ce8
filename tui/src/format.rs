//! Numbers, sizes, times and ids as people read them.

use jiff::Timestamp;

/// Text that others wrote, safe to show: a branch name must not move the cursor.
pub(crate) use packhouse_host::text::escaped as shown;

/// A size in binary units with three digits that count: `773 KiB`, `48.0 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would round to 1024 belongs to the next unit.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A span of time: `412 ms`, `1.24 s`, `3 min 04 s`, `2 h 05 min`.
pub(crate) fn millis(millis: u64) -> String {
    let seconds = millis / 1000;
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{:02} s", seconds, millis % 1000 / 10),
        60_000..3_600_000 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number with its thousands apart: `12,345`.
pub(crate) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A number of things: `1 pack`, `2 packs`.
pub(crate) fn some(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// What became of a size: `-29%`, `+3%`, `±0%`.
pub(crate) fn change(before: u64, after: u64) -> String {
    let percent = (after as f64 - before as f64) / (before as f64).max(1.0) * 100.0;
    if percent.abs() < 0.05 || before == 0 {
        "±0%".into()
    } else if percent.abs() < 1.0 {
        format!("{percent:+.1}%")
    } else {
        format!("{percent:+.0}%")
    }
}

/// A point in time, to the minute.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Enough of an id to tell it from others, its prefix kept: `sha256:055b71f6f6aa`.
pub(crate) fn short(id: &str) -> String {
    let (prefix, rest) = id.split_at(if id.starts_with("sha256:") { 7 } else { 0 });
    format!("{prefix}{}", rest.chars().take(12).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_that_count() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (791_982, "773 KiB"),
            (10 << 10, "10.0 KiB"),
            (10_239, "10.0 KiB"),
            (48 << 20, "48.0 MiB"),
            ((1 << 20) - 1, "1.00 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn spans_of_time_keep_their_unit() {
        for (span, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.00 s"),
            (1_249, "1.24 s"),
            (59_999, "59.99 s"),
            (184_000, "3 min 04 s"),
            (7_500_000, "2 h 05 min"),
        ] {
            assert_eq!(millis(span), text);
        }
    }

    #[test]
    fn counts_and_plurals() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(
            (some(0, "pack"), some(1, "pack"), some(2, "pack")),
            ("0 packs".into(), "1 pack".into(), "2 packs".into())
        );
    }

    #[test]
    fn changes_have_a_sign() {
        assert_eq!(change(100, 71), "-29%");
        assert_eq!(change(100, 103), "+3%");
        assert_eq!(change(1000, 996), "-0.4%");
        assert_eq!([change(5, 5), change(0, 0), change(0, 7), change(10_000, 9_999)], ["±0%"; 4]);
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(Timestamp::UNIX_EPOCH), "1970-01-01 00:00 UTC");
    }

    #[test]
    fn ids_are_cut_behind_their_prefix() {
        let hex = "055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0";
        assert_eq!(short(hex), "055b71f6f6aa");
        assert_eq!(short(&format!("sha256:{hex}")), "sha256:055b71f6f6aa");
        assert_eq!(short("v1"), "v1");
        assert_eq!(short("ä"), "ä");
    }
}
