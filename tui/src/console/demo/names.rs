//! The names of the repos in the demo store: those of a studio, a lab, an archive and some people.

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
    /// One of its packs has other bytes, and another one is gone.
    Damaged,
    /// A worker consolidates it.
    JobRuns,
    /// A consolidation is queued.
    JobWaits,
}

use Kind::{Empty, Growing, ManyPacks, New, OnePack};

/// The repos of the demo store, the most interesting first, so that a small store has them, too.
pub(super) const NAMES: [(&str, Kind, Property); 40] = [
    ("city-archive/radio-1974", ManyPacks, Property::None),
    ("gabriel/notes", Growing, Property::None),
    ("aster-studio/film-score-north", Growing, Property::GcFailed),
    ("tidal-lab/hydrophone-array", Growing, Property::Damaged),
    ("zoe/unreleased", Growing, Property::Private),
    ("aster-studio/templates", OnePack, Property::None),
    ("tidal-lab/spring-cruise", Empty, Property::None),
    ("aster-studio/evening-sessions", ManyPacks, Property::JobRuns),
    ("tidal-lab/reef-soundscapes", ManyPacks, Property::JobWaits),
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
