//! MessagePack values with keys in a given order, for records of any shape.

use rmp::encode;

/// A value to write. Maps keep their keys in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// `str`.
    Text(String),
    /// `bin`.
    Bytes(Vec<u8>),
    /// `array`.
    Array(Vec<Value>),
    /// `map` with text keys.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// Text, or nil.
    pub fn text_or_nil(text: Option<impl Into<String>>) -> Value {
        text.map_or(Value::Nil, Value::text)
    }

    /// A map.
    pub fn map<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    /// The value as MessagePack, each header in its shortest form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends the value to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Nil => in_memory(encode::write_nil(out)),
            Value::Bool(value) => in_memory(encode::write_bool(out, *value)),
            Value::Int(value) => in_memory(encode::write_sint(out, *value)),
            Value::Text(text) => in_memory(encode::write_str(out, text)),
            Value::Bytes(bytes) => in_memory(encode::write_bin(out, bytes)),
            Value::Array(values) => {
                in_memory(encode::write_array_len(out, values.len() as u32));
                values.iter().for_each(|value| value.write(out));
            }
            Value::Map(fields) => {
                in_memory(encode::write_map_len(out, fields.len() as u32));
                for (key, value) in fields {
                    in_memory(encode::write_str(out, key));
                    value.write(out);
                }
            }
        }
    }
}

pub(super) fn in_memory<T, E: std::fmt::Debug>(written: Result<T, E>) {
    written.expect("writing to memory does not fail");
}
