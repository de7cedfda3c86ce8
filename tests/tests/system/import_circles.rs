//! Files that import each other in a circle can only be understood all at once: no circle has more
//! than three files.
//!
//! Read from the sources: `use` lines, and paths that begin with `crate`, `self`, `super` or a
//! module. A file may import from the entry files of the folders that it is in. Tests are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path in its crate.
type Module = Vec<String>;

/// Modules, and those that each imports from.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Larger circles that are left, and how many files each has. They may only shrink.
const LEFT: [(&str, usize); 0] = [];

#[test]
fn no_circle_of_imports_has_more_than_three_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let (mut files, mut too_large) = (0, Vec::new());
    for member in members {
        let member = member.as_str().unwrap();
        let imports = imports_of(&root.join(member).join("src"));
        files += imports.len();
        let left = LEFT.iter().find(|(folder, _)| *folder == member);
        let most = left.map_or(3, |(_, files)| *files);
        for circle in circles(&imports).iter().filter(|circle| circle.len() > most) {
            let paths: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            too_large.push(format!("{member}, {} files: {}", circle.len(), paths.join(", ")));
        }
    }
    assert!(files > 200, "{files} files were read");
    assert!(too_large.is_empty(), "{}", too_large.join("\n"));
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let sources = [
        ("", "mod a; pub mod b; mod c { }"),
        ("a", "use super::b::{self, Some as Other, x::{Y, Z}}; // use crate::d;"),
        ("b", "pub(in crate::d) fn f() -> crate::c::C { \"crate::d::x\" }"),
        ("c", "use crate::{a::A, d};\n#[cfg(test)]\nmod tests { use super::super::e; }"),
        ("d", "fn f(x: &'static str, y: char) { if y == '\"' { crate::e::g() } }"),
        ("e", "use super::Entry;"),
    ];
    let sources: BTreeMap<Module, String> = sources
        .iter()
        .map(|(name, text)| {
            (name.split_terminator("::").map(str::to_owned).collect(), (*text).to_owned())
        })
        .collect();
    let circles = circles(&imports_between(&sources));
    let one = |name: &str| vec![name.to_owned()];
    assert_eq!(circles, [vec![one("a"), one("b"), one("c")]]);
}

/// The imports between the files of a folder of sources.
fn imports_of(folder: &Path) -> Imports {
    let mut sources = BTreeMap::new();
    read_into(&mut sources, folder, &mut Vec::new());
    imports_between(&sources)
}

fn read_into(sources: &mut BTreeMap<Module, String>, folder: &Path, module: &mut Module) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            read_into(sources, &path, module);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut of_file = module.clone();
            if !matches!(name.as_str(), "mod" | "lib") {
                of_file.push(name);
            }
            sources.insert(of_file, std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn imports_between(sources: &BTreeMap<Module, String>) -> Imports {
    let imports = sources.iter().map(|(module, text)| {
        let children: BTreeSet<&str> = sources
            .keys()
            .filter(|other| other.len() == module.len() + 1 && other.starts_with(module))
            .map(|child| child.last().unwrap().as_str())
            .collect();
        let paths = paths_in(&tokens(text));
        let mut targets: BTreeSet<Module> =
            paths.iter().filter_map(|path| target(sources, module, &children, path)).collect();
        targets.retain(|target| !module.starts_with(target));
        (module.clone(), targets)
    });
    imports.collect()
}

/// The module that a path leads to, if it is one of this crate.
fn target(
    sources: &BTreeMap<Module, String>,
    from: &Module,
    children: &BTreeSet<&str>,
    path: &[String],
) -> Option<Module> {
    let mut place = from.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => {
            place.clear();
            rest = &path[1..];
        }
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                place.pop();
                rest = &rest[1..];
            }
        }
        child if children.contains(child) => {}
        _ => return None,
    }
    place.extend(rest.iter().cloned());
    while !sources.contains_key(&place) {
        place.pop()?;
    }
    Some(place)
}

/// The circles: files each of which reaches all others.
fn circles(imports: &Imports) -> Vec<Vec<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = imports
        .keys()
        .map(|from| {
            let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(module) = next.pop() {
                next.extend(imports[module].iter().filter(|to| reached.insert(*to)));
            }
            (from, reached)
        })
        .collect();
    let circles: BTreeSet<Vec<Module>> = imports
        .keys()
        .filter(|module| reached[module].contains(module))
        .map(|module| {
            let others = reached[module].iter().filter(|other| reached[*other].contains(module));
            others.map(|other| (*other).clone()).collect()
        })
        .collect();
    circles.into_iter().collect()
}

/// Words and signs of a source, without comments, texts and what is `#[cfg(test)]`.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::<String>::new(), 0);
    while at < chars.len() {
        let rest = &chars[at..];
        let word = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
        if rest.starts_with(&['/', '/']) {
            at += rest.iter().take_while(|c| **c != '\n').count();
        } else if rest[0] == '"' {
            at += text_length(rest);
        } else if rest[0] == '\'' && (rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')) {
            let escaped = usize::from(rest[1] == '\\');
            at += 3 + escaped + rest[2 + escaped..].iter().take_while(|c| **c != '\'').count();
        } else if word > 0 {
            tokens.push(rest[..word].iter().collect());
            at += word;
        } else {
            if !rest[0].is_whitespace() {
                tokens.push(rest[0].to_string());
            }
            at += 1;
        }
    }
    without_tests(&tokens)
}

/// The length of a text in quotes. Of a raw text with quotes inside it takes them for texts, too.
fn text_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn without_tests(tokens: &[String]) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if !tokens[at..].iter().take(mark.len()).eq(&mark) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // To the end of the item: a semicolon, or the last brace.
        let mut depth = 0;
        for token in &tokens[at..] {
            at += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                ";" => {}
                _ => continue,
            }
            if depth == 0 {
                break;
            }
        }
    }
    kept
}

/// All paths: those of `use` lines one by one, and others as they are.
fn paths_in(tokens: &[String]) -> Vec<Vec<String>> {
    let (mut paths, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match tokens[at].as_str() {
            "use" => at = use_tree(tokens, at + 1, &[], &mut paths),
            // It says who sees an item.
            "in" if at > 0 && tokens[at - 1] == "(" => at += 2,
            _ => {
                let (path, end) = path_at(tokens, at);
                // The parts of a path that goes on are no paths of their own.
                if path.len() > 1 {
                    paths.push(path);
                }
                at = end.max(at + 1);
            }
        }
    }
    paths
}

/// The words from here on that are joined by `::`, and where they end.
fn path_at(tokens: &[String], start: usize) -> (Vec<String>, usize) {
    let is_word = |at: usize| tokens.get(at).is_some_and(|token| token != ":" && is_word(token));
    let (mut path, mut at) = (Vec::new(), start);
    while is_word(at) {
        path.push(tokens[at].clone());
        at += 1;
        let joined = tokens.get(at..at + 2).is_some_and(|signs| signs == [":", ":"]);
        if !joined || !is_word(at + 2) {
            break;
        }
        at += 2;
    }
    (path, at)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one item of a `use` line, with what stands before it; gives where it ends.
fn use_tree(
    tokens: &[String],
    start: usize,
    before: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let (path, mut at) = path_at(tokens, start);
    let whole = [before, &path].concat();
    while tokens.get(at).is_some_and(|token| token == ":") {
        at += 1;
    }
    if tokens.get(at).is_some_and(|token| token == "{") {
        at += 1;
        while tokens.get(at).is_some_and(|token| token != "}") {
            at = use_tree(tokens, at, &whole, paths);
            at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
        }
        return at + 1;
    }
    paths.push(whole);
    let goes_on = |token: &String| !matches!(token.as_str(), "," | "}" | ";");
    at + tokens[at..].iter().take_while(|token| goes_on(token)).count()
}
