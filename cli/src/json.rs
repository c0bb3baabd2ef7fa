//! D-Bus values as JSON. Byte arrays become base64.

use base64_simd::STANDARD;
use serde_json::{Value, json};
use wafer_client::proxies::ResultMap;
use zbus::Variant;

/// `value` as JSON; a descriptor, which has no meaning outside its process, is null.
pub(crate) fn value(value: &Variant<'_>) -> Value {
    match value {
        Variant::U8(number) => json!(number),
        Variant::Bool(truth) => json!(truth),
        Variant::I16(number) => json!(number),
        Variant::U16(number) => json!(number),
        Variant::I32(number) => json!(number),
        Variant::U32(number) => json!(number),
        Variant::I64(number) => json!(number),
        Variant::U64(number) => json!(number),
        Variant::F64(number) => json!(number),
        Variant::Str(text) => json!(text.as_str()),
        Variant::ObjectPath(path) => json!(path.as_str()),
        Variant::Signature(signature) => json!(signature.to_string()),
        Variant::Array(array) if array.element_signature().to_string() == "y" => {
            let byte = |item: &Variant<'_>| match item {
                Variant::U8(byte) => Some(*byte),
                _ => None,
            };
            json!(STANDARD.encode_to_string(array.iter().filter_map(byte).collect::<Vec<u8>>()))
        }
        Variant::Array(array) => Value::Array(array.iter().map(self::value).collect()),
        Variant::Dict(dict) => {
            let entries = dict.iter().map(|(key, entry)| (key_text(key), self::value(entry)));
            Value::Object(entries.collect())
        }
        Variant::Structure(structure) => Value::Array(structure.fields().iter().map(self::value).collect()),
        Variant::Variant(inner) => self::value(inner),
        _ => Value::Null,
    }
}

/// Named values as a JSON object.
pub(crate) fn object(map: &ResultMap) -> Value {
    Value::Object(map.iter().map(|(name, entry)| (name.clone(), value(entry))).collect())
}

fn key_text(key: &Variant<'_>) -> String {
    match value(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn bytes_are_base64_and_the_rest_is_itself() {
        assert_eq!(value(&Variant::from(vec![1_u8, 2, 3])), json!("AQID"));
        assert_eq!(value(&Variant::from(vec!["a", "b"])), json!(["a", "b"]));
        assert_eq!(value(&Variant::from(HashMap::from([("k", Variant::from(7_u32))]))), json!({ "k": 7 }));
        assert_eq!(value(&Variant::from(Vec::<u8>::new())), json!(""));
    }
}
