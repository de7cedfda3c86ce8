//! The fields of a record, as JSON.

use serde_json::{Map, Number, Value};

/// Deepest nesting of a record that is shown.
const MAX_DEPTH: usize = 256;

/// The fields of a record. Binary values become hexadecimal text, text that is not UTF-8 is made
/// so, and numbers that JSON does not have become null.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn fields_of(mut bytes: &[u8]) -> Result<Value, String> {
    rmpv::decode::read_value_with_max_depth(&mut bytes, MAX_DEPTH)
        .map(json)
        .map_err(|error| error.to_string())
}

fn json(value: rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => Value::Bool(value),
        rmpv::Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, number) => number.map_or(Value::Null, Value::from),
        },
        rmpv::Value::F32(number) => number_of(number.into()),
        rmpv::Value::F64(number) => number_of(number),
        rmpv::Value::String(text) => Value::String(text_of(text)),
        rmpv::Value::Binary(bytes) | rmpv::Value::Ext(_, bytes) => {
            Value::String(hex::encode(bytes))
        }
        rmpv::Value::Array(values) => Value::Array(values.into_iter().map(json).collect()),
        rmpv::Value::Map(entries) => {
            let entry = |(key, value)| (name_of(key), json(value));
            Value::Object(entries.into_iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

fn number_of(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn text_of(text: rmpv::Utf8String) -> String {
    match text.as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(text.as_bytes()).into_owned(),
    }
}

/// The name of a field: JSON has only text.
fn name_of(key: rmpv::Value) -> String {
    match json(key) {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rmpv::Value as Packed;
    use serde_json::json;

    use super::*;

    fn packed(value: &Packed) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        bytes
    }

    #[test]
    fn every_type_of_messagepack_becomes_json() {
        let record = Packed::Map(vec![
            ("text".into(), "a\u{e9}".into()),
            ("bytes".into(), Packed::Binary(vec![0, 255])),
            (
                "list".into(),
                Packed::Array(vec![Packed::Nil, true.into(), (-1).into(), u64::MAX.into()]),
            ),
            ("nan".into(), f64::NAN.into()),
            (7.into(), 0.5.into()),
            ("ext".into(), Packed::Ext(1, vec![16])),
        ]);
        assert_eq!(
            fields_of(&packed(&record)).unwrap(),
            json!({"text": "a\u{e9}", "bytes": "00ff", "list": [null, true, -1, u64::MAX],
                "nan": null, "7": 0.5, "ext": "10"})
        );
    }

    #[test]
    fn what_is_cut_off_or_nested_without_end_is_an_error() {
        let mut nested = vec![0x91; 100_000];
        nested.push(0xc0);
        assert!(fields_of(&nested).is_err());
        assert!(fields_of(&packed(&"text".into())[..2]).is_err());
    }
}
