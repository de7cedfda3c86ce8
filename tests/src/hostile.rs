//! The reference component, modified: one of its functions traps or never ends, or a word in it is
//! another.

use std::ops::Range;

/// What a spoiled function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// Ends the run.
    Traps,
    /// Never ends.
    Loops,
}

/// The component with every `from` in it replaced by `to`.
///
/// # Panics
/// When the word is not in it.
pub fn reworded(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = packhouse_artifact::COMPONENT.to_vec();
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty(), "the component does not know the word `{from}`");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// The component with one exported function, whose name ends so (`consolidation@0.2.0#plan`),
/// modified. All else is the same, to the length of the function: the rest of it becomes `nop`.
///
/// # Panics
/// When the component's core module is not as tools write it.
pub fn spoiled(function: &str, how: Spoiled) -> Vec<u8> {
    let mut bytes = packhouse_artifact::COMPONENT.to_vec();
    let body = body_of(&bytes, function);
    let code: &[u8] = match how {
        Spoiled::Traps => &[0x00],
        // loop; br 0; end; unreachable
        Spoiled::Loops => &[0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00],
    };
    let end = body.end - 1;
    bytes[body.clone()].fill(0x01);
    bytes[body.start..body.start + code.len()].copy_from_slice(code);
    bytes[end] = 0x0b;
    bytes
}

/// Where the instructions of an exported function are, its final `end` included.
fn body_of(component: &[u8], function: &str) -> Range<usize> {
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    let start = component
        .windows(8)
        .position(|window| window == MODULE)
        .expect("a component holds a core module")
        + 8;
    let mut reader = Reader { bytes: component, at: start };
    let (mut imported, mut index) = (0, None);
    loop {
        let (section, size) = (reader.byte(), reader.number());
        let end = reader.at + size;
        match section {
            2 => imported = reader.imported_functions(),
            7 => {
                for _ in 0..reader.number() {
                    let name = reader.name();
                    let (kind, number) = (reader.byte(), reader.number());
                    if kind == 0 && name.ends_with(function) && !name.contains("cabi_post") {
                        index = Some(number);
                    }
                }
            }
            10 => {
                let index = index.expect("the module exports the function") - imported;
                let bodies = reader.number();
                assert!(index < bodies, "an exported function has a body");
                for _ in 0..index {
                    let size = reader.number();
                    reader.at += size;
                }
                let size = reader.number();
                let end = reader.at + size;
                for _ in 0..reader.number() {
                    reader.number();
                    reader.byte();
                }
                return reader.at..end;
            }
            _ => {}
        }
        reader.at = end;
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    /// An unsigned LEB128 number.
    fn number(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return number;
            }
        }
    }

    fn name(&mut self) -> String {
        let length = self.number();
        self.at += length;
        String::from_utf8_lossy(&self.bytes[self.at - length..self.at]).into_owned()
    }

    fn imported_functions(&mut self) -> usize {
        let mut functions = 0;
        for _ in 0..self.number() {
            let names = (self.name(), self.name());
            match self.byte() {
                0 => {
                    self.number();
                    functions += 1;
                }
                other => panic!("import {names:?} has kind {other}: only functions are read here"),
            }
        }
        functions
    }
}
