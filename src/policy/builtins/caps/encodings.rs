//! Caps on functions that read or write a format.

use regorus::Value;

use super::{Instead, excess, plain, size, text, text_within};

/// JSON is read at some 40 MB/s where it consists of small objects.
const MAX_JSON: usize = 128 * 1024;
/// YAML is read at a tenth of the speed of JSON.
const MAX_YAML: usize = 16 * 1024;
/// What YAML may become when everything that it repeats by name is written out.
const MAX_YAML_EXPANDED: usize = 64 * 1024;
/// How deep brackets may be nested in YAML.
const MAX_YAML_NESTING: usize = 64;
/// Each parameter of a query becomes an entry of an object.
const MAX_QUERY: usize = 64 * 1024;
/// A number with its unit.
const MAX_QUANTITY: usize = 128;
/// Digits of an exponent: `1e999` is a number of 3,000 bits, `1e999999999` one of 400 MB.
const MAX_EXPONENT_DIGITS: usize = 3;

/// `json.unmarshal(text)`, `json.is_valid(text)`.
pub(in crate::policy::builtins) fn json(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    text_within(size.text, MAX_JSON)
}

/// `yaml.unmarshal(text)`, `yaml.is_valid(text)`.
pub(in crate::policy::builtins) fn yaml(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::String(yaml)] = arguments else {
        return Ok(());
    };
    text_within(yaml.len(), MAX_YAML)?;
    let (mut open, mut deepest, mut aliases) = (0_usize, 0, 0_u32);
    for byte in yaml.bytes() {
        match byte {
            b'[' | b'{' => open = open.saturating_add(1),
            b']' | b'}' => open = open.saturating_sub(1),
            b'*' => aliases = aliases.saturating_add(1),
            _ => {}
        }
        deepest = open.max(deepest);
    }
    if deepest > MAX_YAML_NESTING {
        return excess("nested", deepest, MAX_YAML_NESTING, "deep");
    }
    // With each alias the text may double.
    let doubled = 1_usize.checked_shl(aliases).unwrap_or(usize::MAX);
    if yaml.contains('&') {
        text_within(yaml.len().saturating_mul(doubled), MAX_YAML_EXPANDED)?;
    }
    Ok(())
}

/// `yaml.marshal(value)`.
pub(in crate::policy::builtins) fn to_yaml(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    // A part stands on its own line, behind as many blanks as it is deep.
    text(size.text.saturating_add(size.depths.saturating_mul(2)))
}

/// `json.marshal_with_options(value, options)`: prefix and indentation stand in front of each line.
pub(in crate::policy::builtins) fn to_json(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    let [_, Value::Object(options)] = arguments else {
        return Ok(());
    };
    let option = |name: &str| match options.get(&Value::from(name)) {
        Some(Value::String(option)) => option.len(),
        Some(_) | None => 2,
    };
    let lines = size.elements.saturating_mul(2).saturating_add(2);
    let prefixes = lines.saturating_mul(option("prefix"));
    let blanks = size
        .depths
        .saturating_mul(2)
        .saturating_mul(option("indent"));
    text(size.text.saturating_add(prefixes).saturating_add(blanks))
}

/// `urlquery.decode(text)`, `urlquery.decode_object(text)`.
pub(in crate::policy::builtins) fn query(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    text_within(size.text, MAX_QUERY)
}

/// `units.parse(text)`, `units.parse_bytes(text)`.
pub(in crate::policy::builtins) fn quantity(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::String(quantity)] = arguments else {
        return Ok(());
    };
    text_within(quantity.len(), MAX_QUANTITY)?;
    let Some((_, exponent)) = quantity.split_once(['e', 'E']) else {
        return Ok(());
    };
    let digits = exponent
        .trim_start_matches(['+', '-', '0', '_'])
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'_')
        .filter(u8::is_ascii_digit)
        .count();
    if digits > MAX_EXPONENT_DIGITS {
        return excess("an exponent of", digits, MAX_EXPONENT_DIGITS, "digits");
    }
    Ok(())
}
