//! What it can be told to do, and the misdeeds that come before any plan.

use std::hint::black_box;

use packhouse_core::ports::{MAX_IDS, MAX_ITEMS};
use packhouse_core::{
    AccessError, Database, EntityId, Form, Kind, Page, PlanError as CoreError, Row, Span, Storage,
};

use crate::exports::packhouse::hostile::hoard::Thing as Handle;
use crate::imports::Imports;
use crate::packhouse::engine::types::PlanError;

/// Declares the misdeeds with the names that branches give them.
macro_rules! misdeeds {
    ($($(#[$doc:meta])* $misdeed:ident = $name:literal,)+) => {
        /// What it can be told to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Misdeed {
            $($(#[$doc])* $misdeed,)+
        }

        impl Misdeed {
            pub(crate) fn named(name: &str) -> Option<Misdeed> {
                match name {
                    $($name => Some(Misdeed::$misdeed),)+
                    _ => None,
                }
            }
        }
    };
}

misdeeds! {
    /// Its pack lacks an object, and is well formed.
    DropsAnObject = "drops-an-object",
    /// Its pack has an object twice, and says so in the header.
    RepeatsAnObject = "repeats-an-object",
    /// It copies from behind the end of a pack.
    OutsideAPack = "outside-a-pack",
    /// It copies from a pack that is not of the run, as another repo's is not.
    AnotherReposPack = "another-repos-pack",
    /// It copies half a record.
    HalfARecord = "half-a-record",
    /// It writes records of its own.
    Invents = "invents",
    /// It moves a branch.
    MovesABranch = "moves-a-branch",
    /// It counts a record more than its steps copy.
    CountsWrong = "counts-wrong",
    /// It claims another size.
    SizesWrong = "sizes-wrong",
    /// It claims more steps than anybody could give.
    ClaimsEndlessSteps = "claims-endless-steps",
    /// It claims steps and gives none.
    GivesNoSteps = "gives-no-steps",
    /// It gives the same page for ever.
    GivesTooManySteps = "gives-too-many-steps",
    /// It gives its steps in the opposite order.
    PagesBackwards = "pages-backwards",
    /// It hands over a list of hundreds of megabytes.
    HandsOverTooMuch = "hands-over-too-much",
    Loops = "loops",
    LoopsInPages = "loops-in-pages",
    Traps = "traps",
    TrapsInPages = "traps-in-pages",
    /// It takes memory until there is none.
    Allocates = "allocates",
    /// It calls itself until the stack ends.
    Recurses = "recurses",
    /// It calls imports for ever.
    CallsForEver = "calls-for-ever",
    /// It makes handles for ever and drops none.
    HoardsHandles = "hoards-handles",
    /// It asks for an object's content as though it were a commit.
    AsksForContent = "asks-for-content",
    /// It asks for what is not there, in no order, and plans honestly if it is refused each time.
    AsksForNonsense = "asks-for-nonsense",
    /// It says at length that something is lost which nobody ever had.
    FakesDamage = "fakes-damage",
    /// It answers a fetch with nothing.
    AnswersNothing = "answers-nothing",
    /// It answers a fetch with whatever pack is first.
    ReusesAnyPack = "reuses-any-pack",
    /// Its answer lacks a commit.
    ForgetsACommit = "forgets-a-commit",
    /// Its answer lacks a snapshot.
    ForgetsASnapshot = "forgets-a-snapshot",
    /// Its answer lacks an object.
    ForgetsAnObject = "forgets-an-object",
    /// Its answer lacks a tag.
    ForgetsATag = "forgets-a-tag",
    /// Its answer has a commit more than was asked for.
    AddsAStranger = "adds-a-stranger",
    /// Its answer has an object that the client has.
    RepeatsWhatIsHad = "repeats-what-is-had",
    /// It answers as if another branch was wanted.
    AnswersAnotherBranch = "answers-another-branch",
    /// It answers a clone with the base, whatever came after it.
    ClaimsABase = "claims-a-base",
    /// It cuts the base in the middle of a record.
    CutsTheBase = "cuts-the-base",
    /// It gives a branch a head that nobody pushed.
    ForgesAHead = "forges-a-head",
    /// It prefers encodings that are not there.
    PrefersNobody = "prefers-nobody",
    /// It decides on no head at all.
    ForgetsHeads = "forgets-heads",
    /// It leaves branches where they were.
    RewindsHeads = "rewinds-heads",
    /// It leaves out what a commit reaches.
    ForgetsEdges = "forgets-edges",
}

/// Does what is done instead of planning, or before it.
pub(crate) fn before_planning(misdeed: Misdeed) -> Result<(), PlanError> {
    match misdeed {
        Misdeed::Loops => for_ever(),
        Misdeed::Traps => panic!("as it was told"),
        Misdeed::Allocates => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        Misdeed::Recurses => {
            black_box(deeper(0));
        }
        Misdeed::CallsForEver => loop {
            black_box(Imports.packs(0, 1).is_ok());
        },
        Misdeed::HoardsHandles => loop {
            std::mem::forget(Handle::new(crate::Thing));
        },
        Misdeed::AsksForContent => {
            let object = first_object()?;
            // Whatever comes of it: a host that gives it has failed the test, and the plan says so
            // by trapping.
            match Imports.read_records(&[object]) {
                Err(AccessError::NotARecord(_)) => {
                    return Err(AccessError::NotARecord(object).into());
                }
                _ => panic!("the host gave an object's content"),
            }
        }
        Misdeed::AsksForNonsense => nonsense(),
        Misdeed::FakesDamage => {
            let id = EntityId::new(Form::Bare, [0xee; 32]);
            let wanted_by = "somebody".repeat(1 << 17);
            return Err(CoreError::Lost { kind: Kind::Object, id, wanted_by }.into());
        }
        _ => {}
    }
    Ok(())
}

pub(crate) fn for_ever() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Little of it lies in memory, whose end would else be met before that of the stack.
fn deeper(depth: u64) -> u64 {
    // No compiler can tell that this is always so, and make a loop of it.
    if black_box(true) { deeper(depth + 1).rotate_left(7) ^ depth } else { depth }
}

fn first_object() -> Result<Span, PlanError> {
    let rows = Imports.pack_index(0, 0, 0)?.items;
    let object = rows
        .chunks_exact(packhouse_core::ROW_BYTES)
        .filter_map(Row::decode)
        .find(|row| row.kind == Kind::Object);
    Ok(object.expect("the tests give it a pack with an object").span(0))
}

/// Each must be refused, or answered with nothing.
fn nonsense() {
    let far = Span { pack: 0, offset: u64::MAX - 3, length: u64::MAX };
    let nobody = EntityId::new(Form::Bare, [0xee; 32]);
    assert!(Imports.pack_index(u32::MAX, 0, 1).is_err());
    assert!(is_end(Imports.pack_index(0, u64::MAX, u32::MAX)));
    assert!(Imports.read_records(&[far]).is_err());
    assert!(Imports.read_records(&[Span { pack: 0, offset: 0, length: 1 }]).is_err());
    assert!(Imports.compare_records(&[(far, far)]).is_err());
    assert!(Imports.compare_records(&vec![(far, far); MAX_ITEMS as usize + 1]).is_err());
    assert!(Imports.branch_heads(u32::MAX, 0, 1).is_err());
    assert!(Imports.spine(u32::MAX, 0, 1).is_err());
    assert!(is_end(Imports.packs(u32::MAX, u32::MAX)));
    assert!(is_end(Imports.heads(Some("\u{10ffff}"), u32::MAX)));
    assert!(is_end(Imports.conflicts(u64::MAX, u32::MAX)));
    assert!(Imports.read_records(&[]).is_ok_and(|records| records.is_empty()));
    let too_many = vec![nobody; MAX_IDS as usize + 1];
    assert!(Imports.known(Kind::Commit, &too_many).is_err());
    assert!(Imports.locate(Kind::Commit, &too_many).is_err());
    assert!(Imports.history(&too_many, 0).is_err());
    assert!(Imports.tags(&too_many, None, 0).is_err());
    // Pages in no order.
    let last = Imports.packs(0, 0).map_or(0, |packs| packs.items[0].rows);
    for first in [last, 0, last / 2, last - 1] {
        let rows = Imports.pack_index(0, first, 1).unwrap_or_default();
        assert_eq!(rows.items.is_empty(), first == last);
        assert_eq!(rows.done, first >= last - 1);
    }
}

/// Whether a page says that the list ended before it.
fn is_end<T>(page: Result<Page<T>, AccessError>) -> bool {
    page.is_ok_and(|page| page.items.is_empty() && page.done)
}
