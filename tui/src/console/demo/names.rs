//! The names of the repos in the demo store: those of a studio, a lab, an archive and some people.

use packhouse_host::sample::Random;

/// The kind of a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not consolidated for years.
    ManyPacks,
    /// Has pushes since its last consolidation, if any.
    Growing,
    /// Created recently, and small.
    New,
    /// One pack.
    OnePack,
    /// No pushes yet.
    Empty,
}

/// A special property of a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    None,
    Private,
    /// Its last consolidation failed.
    GcFailed,
    /// Two of its packs are damaged.
    Damaged,
}

use Kind::{Empty, Growing, ManyPacks, New, OnePack};

/// The repos of every demo store, the most interesting first, so that a small store has them, too.
const REPOS: [(&str, Kind, Property); 40] = [
    ("city-archive/radio-1974", ManyPacks, Property::None),
    ("gabriel/notes", Growing, Property::None),
    ("aster-studio/film-score-north", Growing, Property::GcFailed),
    ("tidal-lab/hydrophone-array", Growing, Property::Damaged),
    ("zoe/unreleased", Growing, Property::Private),
    ("aster-studio/templates", OnePack, Property::None),
    ("tidal-lab/spring-cruise", Empty, Property::None),
    ("aster-studio/evening-sessions", ManyPacks, Property::None),
    ("tidal-lab/reef-soundscapes", ManyPacks, Property::None),
    ("city-archive/oral-history", Growing, Property::None),
    ("city-archive/wax-cylinders", OnePack, Property::None),
    ("city-archive/street-organs", OnePack, Property::None),
    ("city-archive/theatre-posters", Growing, Property::None),
    ("city-archive/choir-festival-1988", OnePack, Property::None),
    ("city-archive/tape-inventory", New, Property::None),
    ("city-archive/harbour-bells", Growing, Property::None),
    ("aster-studio/drum-room", Growing, Property::None),
    ("aster-studio/string-quartet-2", OnePack, Property::None),
    ("aster-studio/mix-masters", Growing, Property::None),
    ("aster-studio/impulse-responses", OnePack, Property::None),
    ("aster-studio/podcast-winter", Growing, Property::None),
    ("aster-studio/demo-tapes", New, Property::None),
    ("aster-studio/brass-overdubs", Growing, Property::None),
    ("tidal-lab/whale-migration", Growing, Property::None),
    ("tidal-lab/instrument-notes", OnePack, Property::None),
    ("tidal-lab/spectrogram-models", Growing, Property::None),
    ("tidal-lab/labelled-clicks", Growing, Property::None),
    ("tidal-lab/noise-floor", OnePack, Property::None),
    ("gabriel/photos", OnePack, Property::None),
    ("gabriel/piano-sketches", Growing, Property::None),
    ("gabriel/thesis", Growing, Property::None),
    ("zoe/field-recordings", Growing, Property::None),
    ("zoe/lullabies", OnePack, Property::None),
    ("zoe/loops", New, Property::None),
    ("ines/modular-patches", Growing, Property::None),
    ("ines/live-in-porto", Growing, Property::None),
    ("ines/sample-packs", New, Property::None),
    ("okafor/highlife-stems", Growing, Property::None),
    ("okafor/remixes", OnePack, Property::None),
    ("okafor/tour-diary", Empty, Property::None),
];

const OWNERS: [&str; 8] = [
    "aster-studio",
    "city-archive",
    "tidal-lab",
    "okafor",
    "north-choir",
    "radio-kite",
    "hall-seven",
    "field-unit",
];
const FIRST: [&str; 16] = [
    "amber", "winter", "second", "open", "low", "paper", "late", "harbour", "glass", "night",
    "copper", "long", "quiet", "river", "northern", "spare",
];
const LAST: [&str; 16] = [
    "takes", "sessions", "stems", "talks", "loops", "mixes", "notes", "scores", "patches",
    "drafts", "tapes", "masters", "sketches", "reels", "samples", "live",
];

/// The repo with a number: its name, kind and special property.
pub(super) fn nth(number: usize, random: &mut Random) -> (String, Kind, Property) {
    if let Some((name, kind, property)) = REPOS.get(number) {
        return ((*name).to_owned(), *kind, *property);
    }
    let mut one_of = |words: &[&'static str]| words[random.below(words.len())];
    let (owner, first, last) = (one_of(&OWNERS), one_of(&FIRST), one_of(&LAST));
    let kind = match random.below(100) {
        0..2 => ManyPacks,
        2..50 => Growing,
        50..60 => New,
        60..92 => OnePack,
        _ => Empty,
    };
    // The number makes names unique.
    (format!("{owner}/{first}-{last}-{number:05}"), kind, Property::None)
}
