//! The names of branches.
//!
//! Clients store branches as files whose paths are their names. Therefore a name must not be a path
//! to another place, an option or an expression; it must have no invisible characters; and it must
//! be a possible file name next to the other branches of its repo.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use super::NameError;
use crate::text::{is_invisible, is_variation_selector};

/// Maximum length of a name in bytes, and therefore of a part: the limit of file systems.
const MAX_BYTES: usize = 255;

/// The name of a branch, as clients send it.
///
/// 1 to 255 bytes, in parts between slashes: the rules of `git check-ref-format`, and stricter. No
/// part is empty, begins with `.` or `-`, ends with `.` or `.lock`, or is a device of Windows.
/// There is no `..` and no `@{`, and none of `~^:?*[\<>|"`. Every character is visible: no control
/// characters, no spaces, nothing that changes the direction of text or has no width. `HEAD` and
/// `@` are reserved.
///
/// Names that differ only in case are different names, as in git: whether a clone can keep both
/// depends on its file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

impl BranchName {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is wrong with a name; none for a valid one.
    pub fn fault(text: &str) -> Option<String> {
        if text.is_empty() {
            return Some("it is empty".into());
        }
        if text.len() > MAX_BYTES {
            return Some(format!("it has {} bytes; the limit is {MAX_BYTES}", text.len()));
        }
        if matches!(text, "HEAD" | "@") {
            return Some("clients reserve this name".into());
        }
        if let Some(c) = text.chars().find(|c| is_invisible(*c) || is_variation_selector(*c)) {
            return Some(format!("it has an invisible character, `{}`", c.escape_unicode()));
        }
        if let Some(c) = text.chars().find(|c| "~^:?*[\\<>|\"".contains(*c)) {
            return Some(format!("it has `{c}`"));
        }
        if let Some(bad) = ["..", "@{"].into_iter().find(|bad| text.contains(bad)) {
            return Some(format!("it has `{bad}`"));
        }
        text.split('/').find_map(fault_of_part)
    }
}

/// What is wrong with a part between slashes.
fn fault_of_part(part: &str) -> Option<String> {
    if part.is_empty() {
        return Some("it begins or ends with `/`, or has `//`".into());
    }
    if let Some(first) = part.chars().next().filter(|first| matches!(first, '.' | '-')) {
        return Some(format!("`{part}` begins with `{first}`"));
    }
    let lower = part.to_ascii_lowercase();
    if let Some(end) = [".lock", "."].into_iter().find(|end| lower.ends_with(end)) {
        return Some(format!("`{part}` ends with `{end}`"));
    }
    let stem = lower.split('.').next().unwrap_or_default();
    // Windows takes superscripts for digits, too.
    let is_digit = |c: char| matches!(c, '1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}');
    let numbered = |device: &str| {
        let mut number = stem.strip_prefix(device).unwrap_or_default().chars();
        number.next().is_some_and(is_digit) && number.next().is_none()
    };
    let is_device = matches!(stem, "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        || numbered("com")
        || numbered("lpt");
    is_device.then(|| format!("`{part}` is a device on Windows"))
}

impl FromStr for BranchName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match BranchName::fault(text) {
            None => Ok(BranchName(text.to_owned())),
            Some(fault) => Err(NameError::Branch { name: text.to_owned(), fault }),
        }
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The branch that conflicts with this name as a file: one name is a folder of the other.
pub fn in_the_way<'a>(name: &str, others: &BTreeSet<&'a str>) -> Option<&'a str> {
    let above = name.match_indices('/').find_map(|(at, _)| others.get(&name[..at]));
    let inside = format!("{name}/");
    let from = (Bound::Included(inside.as_str()), Bound::Unbounded);
    let below = others.range::<str, _>(from).next().filter(|other| other.starts_with(&inside));
    above.or(below).copied()
}

/// A new branch whose name is that of another branch in other characters: for many file systems,
/// `e` followed by an accent and the accented letter are the same. They are equal in NFC.
pub fn same_name<'a>(new: &[&'a str], others: &BTreeSet<&'a str>) -> Option<(&'a str, &'a str)> {
    if others.iter().all(|name| name.is_ascii()) {
        return None;
    }
    let normal = |name: &str| name.nfc().collect::<String>();
    let fresh: BTreeSet<&str> = new.iter().copied().collect();
    let mut met: HashMap<String, &str> =
        others.difference(&fresh).map(|name| (normal(name), *name)).collect();
    fresh.into_iter().find_map(|name| Some((name, met.insert(normal(name), name)?)))
}

/// Branches of a repo that are hidden from clients, each with the reason: they were stored before
/// names had this grammar. Of two that can't both be files, clients get the default branch,
/// otherwise the shorter one.
pub fn unusable<'a>(
    names: impl Iterator<Item = &'a str>,
    default: Option<&str>,
) -> BTreeMap<&'a str, String> {
    let mut unusable = BTreeMap::new();
    let mut good: Vec<&str> = Vec::new();
    for name in names {
        match BranchName::fault(name) {
            Some(fault) => drop(unusable.insert(name, fault)),
            None => good.push(name),
        }
    }
    // A folder's name comes before those inside it.
    good.sort_unstable_by_key(|name| (Some(*name) != default, *name));
    let mut kept = BTreeSet::new();
    for name in good {
        match in_the_way(name, &kept) {
            None => drop(kept.insert(name)),
            Some(other) => {
                let fault =
                    format!("it conflicts with branch `{other}`: one is a folder of the other");
                unusable.insert(name, fault);
            }
        }
    }
    unusable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_have_a_grammar() {
        for good in [
            "main",
            "feature/x-1",
            "v1.0",
            "größe",
            "東京",
            "a_b",
            "a@b",
            "head",
            "a/HEAD",
            "com",
            "console",
            "com\u{b9}1",
            "lpt\u{2074}",
            &"x".repeat(255),
        ] {
            assert_eq!(good.parse::<BranchName>().unwrap().to_string(), good);
        }
        let bad = [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "..",
            "../x",
            "../../../../PWNED",
            "a/../b",
            "a..b",
            ".hidden",
            "a/.b",
            "-f",
            "a/-f",
            "a.lock",
            "a.LOCK",
            "a.lock/b",
            "a.",
            "a./b",
            "a b",
            "a\n",
            "a\u{7f}",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[0]",
            "a\\b",
            "a@{1}",
            "@",
            "HEAD",
            "a<b",
            "a>b",
            "a|b",
            "a\"b",
            "con",
            "x/AUX.txt",
            "Com1",
            "lpt9.x",
            "COM\u{b9}",
            "x/lpt\u{b3}.y",
            "CONIN$",
            "a\0",
            "a\u{9b}",
        ];
        let hidden = [
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{200d}',
            '\u{feff}',
            '\u{ad}',
            '\u{2028}',
            '\u{2029}',
            '\u{a0}',
            '\u{3000}',
            '\u{e000}',
            '\u{f0000}',
            '\u{378}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{34f}',
            '\u{3164}',
        ];
        let hidden = hidden.map(|c| format!("a{c}b"));
        for bad in
            bad.into_iter().chain(hidden.iter().map(String::as_str)).chain([&*"x".repeat(256)])
        {
            let refused = bad.parse::<BranchName>().unwrap_err().to_string();
            assert!(!refused.chars().any(|c| c != ' ' && is_invisible(c)), "{refused:?}");
        }
    }

    #[test]
    fn a_branch_is_no_folder_of_another() {
        let others = BTreeSet::from(["a/b", "a-b", "c"]);
        for (name, other) in [("a", "a/b"), ("a/b/c", "a/b"), ("c/d/e", "c")] {
            assert_eq!(in_the_way(name, &others), Some(other), "{name}");
        }
        for name in ["a/bc", "a/b-", "b", "a-b-c", "d/c", "a/B", "A", "C/d"] {
            assert_eq!(in_the_way(name, &others), None, "{name}");
        }
    }

    #[test]
    fn names_that_are_the_same_in_nfc_are_one_name() {
        let (one, two) = ("caf\u{e9}", "cafe\u{301}");
        let all = |names: &[&'static str]| names.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(same_name(&[two], &all(&["main", one, two])), Some((two, one)));
        assert_eq!(same_name(&[one], &all(&["main", one, two])), Some((one, two)));
        assert!(same_name(&[one, two], &all(&[one, two])).is_some());
        assert_eq!(same_name(&["K"], &all(&["K", "\u{212a}"])), Some(("K", "\u{212a}")));
        // What was stored before stays, and is no reason to refuse another.
        assert_eq!(same_name(&["main"], &all(&["main", one, two])), None);
        assert_eq!(same_name(&["cafe", "Main"], &all(&["cafe", "main", "Main", one])), None);
    }

    #[test]
    fn of_stored_names_the_unusable_are_told_with_a_reason() {
        let names = ["../x", "a", "a/b", "main", "main/x/y"];
        let told = |default| unusable(names.into_iter(), default).into_keys().collect::<Vec<_>>();
        assert_eq!(told(None), ["../x", "a/b", "main/x/y"]);
        assert_eq!(told(Some("a/b")), ["../x", "a", "main/x/y"]);
        assert_eq!(told(Some("../x")), ["../x", "a/b", "main/x/y"]);
    }
}
