//! Sizes, counts, times and untrusted text, formatted for people, and durations as people write
//! them. The CLI and the console share these functions.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::{Phase, Policy};

/// Escapes untrusted text for display: a branch name must not move the cursor.
pub(crate) use packhouse_host::text::escaped;
/// The inverse of [`parse_duration`] for whole seconds.
pub(crate) use packhouse_host::text::span;

/// A size in binary units: `773.4 KiB`.
pub(crate) use packhouse_host::text::size;

/// A number with thousands separators: `12,345`.
pub(crate) fn count(number: u64) -> String {
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

/// A count with its noun: `1 pack`, `7 packs`, `7 entities`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let ending = match (number, noun.strip_suffix("ty")) {
        (1, _) => return format!("1 {noun}"),
        (_, Some(stem)) => format!("{stem}ties"),
        (_, None) => format!("{noun}s"),
    };
    format!("{} {ending}", count(number))
}

/// A duration: `480 ms`, `1.2 s`, `3 min 5 s`, `2 h 5 min`.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match milliseconds {
        ..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", count(seconds / 3600), seconds / 60 % 60),
    }
}

/// Parses a duration; a day has 24 hours, and a plain number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration like 8d, 36h, 90m or 0s".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: jiff::Span = text.parse().map_err(|_| expected())?;
    let exact =
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
    Duration::try_from(exact).map_err(|_| expected())
}

/// How long ago something was, in its largest unit.
pub(crate) fn ago(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    match seconds {
        // The clock of another machine may be ahead of ours.
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} ago", plural(seconds.unsigned_abs() / 60, "minute")),
        3600..86_400 => format!("{} ago", plural(seconds.unsigned_abs() / 3600, "hour")),
        _ => format!("{} ago", plural(seconds.unsigned_abs() / 86_400, "day")),
    }
}

/// A point in time, to the minute.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Progress in percent; `None` while the total is unknown.
pub(crate) fn percent(done: u64, total: u64) -> Option<u64> {
    (total > 0).then(|| (u128::from(done.min(total)) * 100 / u128::from(total)) as u64)
}

/// The text with its first letter capitalised.
pub(crate) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// The relative change of a size: `-29%`, `+3%`, `±0%`.
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

/// The first characters of an id, with its prefix: `sha256:055b71f6f6aa`.
pub(crate) fn short_id(id: &str) -> String {
    let (prefix, rest) = id.split_at(if id.starts_with("sha256:") { 7 } else { 0 });
    format!("{prefix}{}", rest.chars().take(12).collect::<String>())
}

/// What a phase is called in progress bars and on screens.
pub(crate) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Receive => "receiving",
        Phase::Index => "indexing",
        Phase::Plan => "planning",
        Phase::Splice => "writing",
        Phase::Prove | Phase::Verify => "verifying",
        Phase::Publish => "publishing",
        Phase::Delete => "deleting",
        Phase::Copy => "copying",
    }
}

/// How much of what there is: `8 done, 1 failed`. Leaves out what there is none of.
pub(crate) fn tally<'a>(parts: impl IntoIterator<Item = (u64, &'a str)>) -> String {
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, how)| format!("{} {how}", count(number))).collect::<Vec<_>>().join(", ")
}

/// A policy in words, after the name of a repo.
pub(crate) fn rules(policy: &Policy) -> String {
    let packs = policy.max_packs.map(|packs| format!("it has more than {}", plural(packs, "pack")));
    let growth = policy.growth.map(|growth| match growth {
        1.0 => "more bytes were pushed since a consolidation than it left".to_owned(),
        _ => format!("more than {growth} × the bytes that a consolidation left were pushed since"),
    });
    let age = policy.max_age_seconds.map(|age| format!("a pack has waited for {}", span(age)));
    let parts: Vec<String> = [packs, growth, age].into_iter().flatten().collect();
    if parts.is_empty() {
        "no automatic consolidation".into()
    } else {
        format!("consolidated when {}", parts.join(", or when "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_their_unit() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (1_249, "1.2 s"),
            (59_999, "59.9 s"),
            (185_000, "3 min 5 s"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
    }

    #[test]
    fn counts_and_plurals() {
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!(
            [plural(1, "entity"), plural(0, "pack"), plural(1, "pack"), plural(2, "entity")],
            ["1 entity", "0 packs", "1 pack", "2 entities"]
        );
        assert_eq!([percent(1, 0), percent(9, 3), percent(1, 3)], [None, Some(100), Some(33)]);
    }

    #[test]
    fn changes_have_a_sign() {
        assert_eq!(change(100, 71), "-29%");
        assert_eq!(change(100, 103), "+3%");
        assert_eq!(change(1000, 996), "-0.4%");
        assert_eq!([change(5, 5), change(0, 0), change(0, 7), change(10_000, 9_999)], ["±0%"; 4]);
    }

    #[test]
    fn times_are_utc_and_ages_have_one_unit() {
        assert_eq!(time(Timestamp::UNIX_EPOCH), "1970-01-01 00:00 UTC");
        let at = |second| Timestamp::from_second(second).unwrap();
        let ago: Vec<String> = [-5, 59, 60, 7300, 180_000]
            .into_iter()
            .map(|s| ago(at(1_000_000), at(1_000_000 - s)))
            .collect();
        assert_eq!(ago, ["just now", "just now", "1 minute ago", "2 hours ago", "2 days ago"]);
    }

    #[test]
    fn short_ids_keep_their_prefix() {
        let hex = "055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0";
        assert_eq!(short_id(hex), "055b71f6f6aa");
        assert_eq!(short_id(&format!("sha256:{hex}")), "sha256:055b71f6f6aa");
        assert_eq!(short_id("v1"), "v1");
        assert_eq!(short_id("ä"), "ä");
    }

    #[test]
    fn times_are_displayed_as_they_are_typed() {
        for (seconds, text) in [
            (0, "0s"),
            (90, "90s"),
            (1800, "30m"),
            (43_200, "12h"),
            (86_400, "1d"),
            (90_000, "25h"),
        ] {
            assert_eq!(span(seconds), text);
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_policy_is_described_by_its_rules() {
        assert_eq!(rules(&Policy::OFF), "no automatic consolidation");
        let policy = Policy {
            max_packs: Some(1),
            growth: Some(0.5),
            max_age_seconds: Some(3600),
            scrub_age_seconds: None,
        };
        assert_eq!(
            rules(&policy),
            "consolidated when it has more than 1 pack, or when more than 0.5 × the bytes that a \
             consolidation left were pushed since, or when a pack has waited for 1h"
        );
        let policy = Policy { growth: Some(1.0), ..Policy::OFF };
        assert_eq!(
            rules(&policy),
            "consolidated when more bytes were pushed since a consolidation than it left"
        );
    }
}
