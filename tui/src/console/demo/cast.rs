//! The names of the repos in the demo store: those of a studio, a lab, an archive and some people.

use packhouse_host::sample::Random;

/// The kind of a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Not consolidated for years.
    Crowded,
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
pub(super) enum Twist {
    None,
    Private,
    /// Its last consolidation failed.
    GcFailed,
    /// Two of its packs are damaged.
    Damaged,
}

use Sort::{Crowded, Empty, Growing, New, OnePack};

/// The repos of every demo store, the most interesting first, so that a small store has them, too.
const CAST: [(&str, Sort, Twist); 40] = [
    ("city-archive/radio-1974", Crowded, Twist::None),
    ("gabriel/notes", Growing, Twist::None),
    ("aster-studio/film-score-north", Growing, Twist::GcFailed),
    ("tidal-lab/hydrophone-array", Growing, Twist::Damaged),
    ("zoe/unreleased", Growing, Twist::Private),
    ("aster-studio/templates", OnePack, Twist::None),
    ("tidal-lab/spring-cruise", Empty, Twist::None),
    ("aster-studio/evening-sessions", Crowded, Twist::None),
    ("tidal-lab/reef-soundscapes", Crowded, Twist::None),
    ("city-archive/oral-history", Growing, Twist::None),
    ("city-archive/wax-cylinders", OnePack, Twist::None),
    ("city-archive/street-organs", OnePack, Twist::None),
    ("city-archive/theatre-posters", Growing, Twist::None),
    ("city-archive/choir-festival-1988", OnePack, Twist::None),
    ("city-archive/tape-inventory", New, Twist::None),
    ("city-archive/harbour-bells", Growing, Twist::None),
    ("aster-studio/drum-room", Growing, Twist::None),
    ("aster-studio/string-quartet-2", OnePack, Twist::None),
    ("aster-studio/mix-masters", Growing, Twist::None),
    ("aster-studio/impulse-responses", OnePack, Twist::None),
    ("aster-studio/podcast-winter", Growing, Twist::None),
    ("aster-studio/demo-tapes", New, Twist::None),
    ("aster-studio/brass-overdubs", Growing, Twist::None),
    ("tidal-lab/whale-migration", Growing, Twist::None),
    ("tidal-lab/instrument-notes", OnePack, Twist::None),
    ("tidal-lab/spectrogram-models", Growing, Twist::None),
    ("tidal-lab/labelled-clicks", Growing, Twist::None),
    ("tidal-lab/noise-floor", OnePack, Twist::None),
    ("gabriel/photos", OnePack, Twist::None),
    ("gabriel/piano-sketches", Growing, Twist::None),
    ("gabriel/thesis", Growing, Twist::None),
    ("zoe/field-recordings", Growing, Twist::None),
    ("zoe/lullabies", OnePack, Twist::None),
    ("zoe/loops", New, Twist::None),
    ("ines/modular-patches", Growing, Twist::None),
    ("ines/live-in-porto", Growing, Twist::None),
    ("ines/sample-packs", New, Twist::None),
    ("okafor/highlife-stems", Growing, Twist::None),
    ("okafor/remixes", OnePack, Twist::None),
    ("okafor/tour-diary", Empty, Twist::None),
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
pub(super) fn nth(number: usize, random: &mut Random) -> (String, Sort, Twist) {
    if let Some((name, sort, twist)) = CAST.get(number) {
        return ((*name).to_owned(), *sort, *twist);
    }
    let mut one_of = |words: &[&'static str]| words[random.below(words.len())];
    let (owner, first, last) = (one_of(&OWNERS), one_of(&FIRST), one_of(&LAST));
    let sort = match random.below(100) {
        0..2 => Crowded,
        2..50 => Growing,
        50..60 => New,
        60..92 => OnePack,
        _ => Empty,
    };
    // The number makes names unique.
    (format!("{owner}/{first}-{last}-{number:05}"), sort, Twist::None)
}
