//! Rows that a statement returns as lines of one text: a row of sqlx costs more than a row of the
//! database.

use packhouse_catalog::{ENTITY_BYTES, IndexRow};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, Edges, EntityId};
use packhouse_model::names::ShelfId;

use super::engine::Columns;

/// The lines of a text that stands for rows.
pub(super) fn lines(row: &impl Columns) -> impl Iterator<Item = &str> {
    row.maybe_text("found").into_iter().flat_map(|text| text.split('\n'))
}

/// An old row of the index and its shelf, in a line of [`super::engine::Engine::OLD_PAGE`].
pub(super) fn index_line(line: &str) -> Option<(IndexRow, ShelfId)> {
    let (bytes, shelf) = line.split_once(':')?;
    let (hex, fingerprint) = bytes.split_at_checked(2 * ENTITY_BYTES)?;
    let mut entity = [0; ENTITY_BYTES];
    hex::decode_to_slice(hex, &mut entity).ok()?;
    let fingerprint = fingerprint_of(fingerprint)?;
    Some((IndexRow { entity, fingerprint }, ShelfId(shelf.parse().ok()?)))
}

/// Position, shelf and fingerprint in a line of [`super::engine::Engine::OLD_LOOKUP`].
pub(super) fn found_line(line: &str) -> Option<(usize, ShelfId, Fingerprint)> {
    let (number, rest) = line.split_once(':')?;
    let (shelf, fingerprint) = rest.split_once(':')?;
    Some((number.parse().ok()?, ShelfId(shelf.parse().ok()?), fingerprint_of(fingerprint)?))
}

/// A fingerprint in hex; the nil one if it is empty: then the index has none.
fn fingerprint_of(hex: &str) -> Option<Fingerprint> {
    let mut fingerprint = Fingerprint::default();
    if !hex.is_empty() {
        hex::decode_to_slice(hex, &mut fingerprint).ok()?;
    }
    Some(fingerprint)
}

/// A commit and whether it is an ancestor of the requested ones, in a line of
/// [`super::engine::Engine::HISTORY`].
pub(super) fn history_line(line: &str) -> Option<(Ancestor, bool)> {
    let mut fields = line.split(':');
    let is_ancestor = fields.next()? == "1";
    let generation = fields.next()?.parse().ok()?;
    let mut id = || {
        let mut bytes = [0; EntityId::BYTES];
        match fields.next()? {
            "" => Some(None),
            hex => {
                hex::decode_to_slice(hex, &mut bytes).ok()?;
                EntityId::from_bytes(&bytes).map(Some)
            }
        }
    };
    let commit = id()??;
    let edges = Edges { commit, parents: [id()?, id()?], snapshot: id()? };
    Some((Ancestor { edges, generation }, is_ancestor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_page_are_read_or_refused() {
        let (entity, fingerprint) = ("07".repeat(ENTITY_BYTES), "09".repeat(16));
        let row = |fingerprint| IndexRow { entity: [7; ENTITY_BYTES], fingerprint };
        let found = index_line(&format!("{entity}{fingerprint}:42"));
        assert_eq!(found, Some((row([9; 16]), ShelfId(42))));
        let found = index_line(&format!("{entity}:42"));
        assert_eq!(found, Some((row(Fingerprint::default()), ShelfId(42))));
        let bad = ["".into(), entity.clone(), format!("{entity}:x"), format!("{entity}09:42")];
        for bad in bad.iter().chain(&[format!("{}:42", &entity[2..])]) {
            assert_eq!(index_line(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_the_index_are_read_or_refused() {
        let fingerprint = "0102030405060708090a0b0c0d0e0f10";
        let (number, shelf, found) = found_line(&format!("7:42:{fingerprint}")).unwrap();
        assert_eq!((number, shelf, hex::encode(found)), (7, ShelfId(42), fingerprint.to_owned()));
        assert_eq!(found_line("0:1:").unwrap().2, Fingerprint::default(), "the index has none");
        for bad in ["", "7:42", "x:42:", "7:x:", "7:42:01", "-1:42:", "7:42:zz"] {
            assert_eq!(found_line(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_the_history_are_read_or_refused() {
        let id = |number: u8| EntityId::parse(format!("{number:064x}").as_bytes()).unwrap();
        let hex = |number: u8| hex::encode_upper(id(number).to_bytes());
        let line = format!("1:5:{}:{}::{}", hex(1), hex(2), hex(3));
        let edges = Edges { commit: id(1), parents: [Some(id(2)), None], snapshot: Some(id(3)) };
        assert_eq!(history_line(&line), Some((Ancestor { edges, generation: 5 }, true)));
        let line = format!("0:0:{}:::", hex(1));
        let edges = Edges { commit: id(1), parents: [None, None], snapshot: None };
        assert_eq!(history_line(&line), Some((Ancestor { edges, generation: 0 }, false)));
        for bad in ["", "1:5", "1:5::::", "1:x:00:::", &format!("0:0:{}:01::", hex(1))] {
            assert_eq!(history_line(bad), None, "{bad}");
        }
    }
}
