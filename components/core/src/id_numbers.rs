//! Numbers for ids, in the order in which they are given.

use std::collections::BTreeMap;

use crate::id::EntityId;

/// A slot in which no number stands.
const EMPTY: u32 = u32::MAX;
/// Slots in which an id may stand.
const PROBES: usize = 32;

/// Distinct ids, each with a number: the first is 0.
///
/// A hash table whose hash is the beginning of the digest. Ids are chosen by clients, so many may
/// begin alike: those that find no slot near their own stand in a tree, and no input makes a
/// lookup slow. About 42 bytes an id.
#[derive(Debug, Default)]
pub(crate) struct IdNumbers {
    ids: Vec<EntityId>,
    slots: Vec<u32>,
    crowded: BTreeMap<EntityId, u32>,
}

impl IdNumbers {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn id(&self, number: u32) -> EntityId {
        self.ids[number as usize]
    }

    pub(crate) fn find(&self, id: &EntityId) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        for slot in self.probes(id) {
            match self.slots[slot] {
                EMPTY => return None,
                number if self.ids[number as usize] == *id => return Some(number),
                _ => {}
            }
        }
        self.crowded.get(id).copied()
    }

    /// The number of an id, a new one if it has none.
    pub(crate) fn number(&mut self, id: EntityId) -> u32 {
        if let Some(number) = self.find(&id) {
            return number;
        }
        let number = self.ids.len() as u32;
        self.ids.push(id);
        if self.ids.len() * 4 > self.slots.len() * 3 {
            self.grow();
        } else {
            self.put(number);
        }
        number
    }

    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(2 * PROBES);
        self.slots = Vec::new();
        self.slots.resize(slots, EMPTY);
        self.crowded.clear();
        for number in 0..self.ids.len() as u32 {
            self.put(number);
        }
    }

    fn put(&mut self, number: u32) {
        let id = self.ids[number as usize];
        match self.probes(&id).find(|slot| self.slots[*slot] == EMPTY) {
            Some(slot) => self.slots[slot] = number,
            None => drop(self.crowded.insert(id, number)),
        }
    }

    /// The slots in which an id may stand, in the order in which they are tried.
    fn probes(&self, id: &EntityId) -> impl Iterator<Item = usize> + use<> {
        let d = id.digest();
        let start = u32::from_le_bytes([d[0], d[1], d[2], d[3]]) as usize + id.form() as usize;
        let mask = self.slots.len() - 1;
        (0..PROBES).map(move |probe| (start + probe) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Form;
    use proptest::prelude::*;

    fn id(begin: u8, n: u16) -> EntityId {
        let mut digest = [begin; 32];
        digest[30..].copy_from_slice(&n.to_be_bytes());
        EntityId::new(Form::Bare, digest)
    }

    proptest! {
        /// Also where all begin alike, and most find no slot.
        #[test]
        fn an_id_keeps_its_number(given in prop::collection::vec((0u8..3, 0u16..400), 0..900)) {
            let mut numbers = IdNumbers::default();
            let mut expected: BTreeMap<EntityId, u32> = BTreeMap::new();
            for (begin, n) in given {
                let next = expected.len() as u32;
                let number = *expected.entry(id(begin, n)).or_insert(next);
                prop_assert_eq!(numbers.number(id(begin, n)), number);
            }
            prop_assert_eq!(numbers.len(), expected.len());
            for (id, number) in &expected {
                prop_assert_eq!(numbers.find(id), Some(*number));
                prop_assert_eq!(numbers.id(*number), *id);
            }
            prop_assert_eq!(numbers.find(&id(9, 9)), None);
        }
    }
}
