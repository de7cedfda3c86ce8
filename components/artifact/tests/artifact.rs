//! Sources and artifact agree, and the artifact asks for nothing but what the WIT says.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_component_build::{
    ARTIFACTS, Provenance, component_digest, component_wit, encoded_wit, extract_wit, fits,
    source_digest, workspace,
};

fn provenance() -> Provenance {
    toml::from_str(packhouse_artifact::PROVENANCE).expect("provenance.toml reads")
}

#[test]
fn each_artifact_was_built_from_these_sources() {
    for artifact in &ARTIFACTS {
        let read =
            |file| std::fs::read(workspace().join(file)).expect("what is checked in can be read");
        let recorded = String::from_utf8(read(artifact.provenance)).expect("TOML is text");
        let recorded: Provenance = toml::from_str(&recorded).expect("the provenance reads");
        let sources = source_digest(&workspace(), artifact).expect("sources can be read");
        let name = artifact.name;
        assert_eq!(
            recorded.sources, sources,
            "{name}: the sources have changed and the artifact has not: run components/rebuild.sh"
        );
        assert_eq!(recorded.digest, component_digest(&read(artifact.file)), "{name}");
        assert_eq!(recorded.world, artifact.world, "{name}");
    }
}

/// Whoever finds the file can tell what it is.
#[test]
fn the_component_says_who_it_is() {
    let wasm_metadata::Payload::Component { metadata, .. } =
        wasm_metadata::Payload::from_binary(packhouse_artifact::COMPONENT)
            .expect("it has metadata")
    else {
        panic!("it is no component");
    };
    assert_eq!(metadata.name.as_deref(), Some("packhouse"));
    let said = [
        metadata.version.map(|v| v.to_string()),
        metadata.licenses.map(|l| l.to_string()),
        metadata.source.map(|s| s.to_string()),
        metadata.description.map(|d| d.to_string()),
    ];
    assert!(said.iter().all(|word| word.as_ref().is_some_and(|word| !word.is_empty())), "{said:?}");
}

#[test]
fn the_artifact_is_the_recorded_one() {
    assert_eq!(provenance().digest, component_digest(packhouse_artifact::COMPONENT));
    assert_eq!(provenance().bytes, packhouse_artifact::COMPONENT.len() as u64);
    assert_eq!(provenance().world, packhouse_artifact::WORLD);
}

/// Law 1: no clock, no randomness, no files, no environment.
#[test]
fn law_1_the_component_imports_only_our_interfaces() {
    let decoded =
        wit_component::decode(packhouse_artifact::COMPONENT).expect("the artifact is a component");
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else {
        panic!("the artifact is a WIT package, not a component");
    };
    let names = |items: &wit_parser::IndexMap<wit_parser::WorldKey, wit_parser::WorldItem>| {
        items.keys().map(|key| resolve.name_world_key(key)).collect::<Vec<_>>()
    };
    let ours = |name: &str| format!("packhouse:engine/{name}@0.2.0");
    assert_eq!(
        names(&resolve.worlds[world].imports),
        [ours("types"), ours("storage"), ours("database")]
    );
    assert_eq!(
        names(&resolve.worlds[world].exports),
        [ours("consolidation"), ours("assembly"), ours("indexing")]
    );
}

/// The interfaces of a WIT text without comments and gates, each with its items in one order: which
/// one is declared first means nothing, and an encoding does not keep it.
fn interfaces(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut name, mut item, mut depth) = (String::new(), String::new(), 0);
    for line in text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("//") && !l.starts_with('@'))
    {
        if depth == 0 {
            name = line.trim_end_matches('{').trim().to_owned();
        } else if !(depth == 1 && line == "}") {
            // The names that an interface uses come in any order as well.
            let mut names: Vec<&str> = line.split(['{', '}', ',', ' ']).collect();
            if line.starts_with("use ") {
                names.sort_unstable();
                item.push_str(&names.join(" "));
            } else {
                item.push_str(line);
            }
            item.push('\n');
        }
        depth += line.matches('{').count();
        depth -= line.matches('}').count();
        if depth == 1 && !item.is_empty() && name.starts_with("interface ") {
            found.entry(name.clone()).or_default().insert(std::mem::take(&mut item));
        }
    }
    found
}

/// The WIT read out of the component is the one in `wit/`, to the last type; a component only
/// imports what it calls.
#[test]
fn the_wit_of_the_component_is_the_wit_of_the_sources() {
    // Through the same encoding as the component, so that both sides lose the same: comments and
    // gates.
    let sources = encoded_wit(&workspace().join("wit")).expect("the package encodes");
    let sources = interfaces(&sources);
    let artifact =
        interfaces(&extract_wit(packhouse_artifact::COMPONENT).expect("the artifact's WIT"));
    assert_eq!(sources.len(), 6, "types, storage, database and three exports");
    assert!(artifact.keys().eq(sources.keys()));
    for (name, items) in &artifact {
        let imported = ["storage", "database"].iter().any(|i| name.contains(i));
        let foreign: Vec<&String> = items.difference(&sources[name]).collect();
        // A component that calls fewer functions uses fewer types.
        let uses = |item: &&String| item.split_whitespace().any(|word| word == "use");
        assert!(foreign.iter().all(|item| imported && uses(item)), "{foreign:?}");
        assert!(imported || name.contains("types") || *items == sources[name], "{name}");
    }
}

/// The last released component, and its WIT as an encoding has it. The sources' WIT must fit it both
/// ways: otherwise the minor version changes. No version has been released: these are of the first
/// build of 0.2, and may be replaced until 0.2.0 is released, by
/// `PACKHOUSE_WRITE_RELEASED=1 cargo test -p packhouse-artifact`.
const RELEASED: &str = "components/artifact/tests/released";

#[test]
fn old_components_fit_the_new_world_and_new_ones_the_old() {
    let new = encoded_wit(&workspace().join("wit")).expect("wit/ encodes");
    let released = |ending| workspace().join(RELEASED).with_extension(ending);
    if std::env::var_os("PACKHOUSE_WRITE_RELEASED").is_some() {
        std::fs::write(released("wit"), &new).expect("the WIT can be written");
        std::fs::write(released("wasm"), packhouse_artifact::COMPONENT)
            .expect("the component can be written");
    }
    let old = std::fs::read_to_string(released("wit")).expect("the released WIT can be read");
    fits(&old, &new).expect("old components run in new hosts");
    fits(&new, &old).expect("new components run in old hosts");
    let component = std::fs::read(released("wasm")).expect("the released component can be read");
    for component in [&component[..], packhouse_artifact::COMPONENT] {
        let own = component_wit(component).expect("a component has its WIT");
        fits(&own, &new).expect("it runs in new hosts");
        fits(&own, &old).expect("it runs in old hosts");
    }

    // What each direction is for.
    let known = "@since(version = 0.2.0)\n  known: func(kind: entity-kind, ids: list<string>) -> \
                 result<list<bool>, access-error>;";
    let changes = [
        // A call more: old hosts don't have it.
        (known.to_owned(), format!("{known}\n  more: func();"), (true, false)),
        // A call less: old components call it.
        (known.to_owned(), String::new(), (false, true)),
        // A limit more: the result has another type.
        ("items: u32,".to_owned(), "items: u32,\n    more: u32,".to_owned(), (false, false)),
        // An export more: old components don't have it. Hosts that don't call it don't mind.
        ("export indexing;".to_owned(), String::new(), (true, false)),
    ];
    for (from, to, expected) in changes {
        let changed = new.replacen(&from, &to, 1);
        assert_ne!(changed, new, "`{from}` is in the WIT");
        let found = (fits(&new, &changed).is_ok(), fits(&changed, &new).is_ok());
        assert_eq!(found, expected, "`{from}` becomes `{to}`");
    }
}
