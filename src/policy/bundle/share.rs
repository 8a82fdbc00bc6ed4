//! What two versions of a bundle's data have in common is kept once.

use regorus::{Rc, Value};

use crate::policy::data;

/// Puts the parts of `old` that are equal into `new`; tells whether all of it is.
pub(super) fn equal_parts(new: &mut Value, old: &Value) -> bool {
    let equal = match (&mut *new, old) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let mut equal = ours.len() == theirs.len();
            let ours = Rc::make_mut(ours);
            for (key, other) in theirs.iter() {
                // Not `iter_mut`: it would unpack the object.
                equal &= ours
                    .get_mut(key)
                    .is_some_and(|value| equal_parts(value, other));
            }
            equal
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            let mut equal = ours.len() == theirs.len();
            for (value, other) in Rc::make_mut(ours).iter_mut().zip(theirs.iter()) {
                equal &= equal_parts(value, other);
            }
            equal
        }
        // Not `==`: `1` and `1.0` are equal and written differently.
        _ => data::same(new, old),
    };
    if equal {
        *new = old.clone();
    }
    equal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::from_json_str(text).unwrap()
    }

    /// The address of the string at `key` of an object.
    fn address(object: &Value, key: &str) -> *const u8 {
        let text = object.as_object().unwrap().get(&Value::from(key));
        text.unwrap().as_string().unwrap().as_ptr()
    }

    #[test]
    fn equal_parts_are_kept_once_and_the_rest_stays_new() {
        let old = value(r#"{"a":{"k":"x","l":"y"},"b":["x",{"k":"z"}],"c":"only old"}"#);
        let new = r#"{"a":{"k":"x","l":"changed"},"b":["x",{"k":"z"},3],"d":"only new"}"#;
        let mut shared = value(new);
        assert!(!equal_parts(&mut shared, &old));
        assert_eq!(shared, value(new));
        let (ours, theirs) = (&shared["a"], &old["a"]);
        assert_eq!(address(ours, "k"), address(theirs, "k"));
        assert_ne!(address(ours, "l"), address(theirs, "l"));
        let (ours, theirs) = (&shared["b"][1_u64], &old["b"][1_u64]);
        assert_eq!(address(ours, "k"), address(theirs, "k"));
        let mut same = old.clone();
        assert!(equal_parts(&mut same, &old));
    }

    #[test]
    fn a_number_is_kept_as_the_new_text_has_it() {
        for (old, new) in [("1", "1.0"), ("1.0", "1"), ("-0.0", "0.0"), ("0.0", "-0.0")] {
            let mut shared = value(&format!(r#"{{"a":[{new}],"b":"x"}}"#));
            let before = shared.to_string();
            equal_parts(&mut shared, &value(&format!(r#"{{"a":[{old}],"b":"x"}}"#)));
            assert_eq!(shared.to_string(), before, "{new} after {old}");
        }
    }
}
