//! Caps on functions that follow values into their parts.

use regorus::Value;

use super::{Instead, MAX_DEPTH, MAX_ITEMS, excess, plain, size};

/// `walk(value)`: each part comes with the whole path to it.
pub(in crate::policy::builtins) fn walk(arguments: &[Value]) -> Result<(), Instead> {
    let size = size(arguments)?;
    if size.depths > MAX_ITEMS {
        return excess("paths of", size.depths, MAX_ITEMS, "steps together");
    }
    Ok(())
}

/// `graph.reachable_paths(graph, initial)`: there are as many paths as there are ways.
pub(in crate::policy::builtins) fn paths(arguments: &[Value]) -> Result<(), Instead> {
    plain(arguments)?;
    let [Value::Object(_), initial] = arguments else {
        return Ok(());
    };
    let Some(graph) = arguments.first() else {
        return Ok(());
    };
    let mut steps = 0;
    neighbours(initial).try_for_each(|node| visit(graph, node, &mut Vec::new(), &mut steps))
}

/// Follows every path as the function does, and counts what it will copy.
fn visit<'v>(
    graph: &'v Value,
    node: &'v Value,
    path: &mut Vec<&'v Value>,
    steps: &mut usize,
) -> Result<(), Instead> {
    *steps = steps.saturating_add(path.len()).saturating_add(1);
    if *steps > MAX_STEPS {
        return excess("paths of", *steps, MAX_STEPS, "steps together");
    }
    if path.len() > MAX_DEPTH {
        return excess("a path of", path.len(), MAX_DEPTH, "steps");
    }
    let Value::Object(fields) = graph else {
        return Ok(());
    };
    let Some(next) = fields.get(node).filter(|_| !path.contains(&node)) else {
        return Ok(());
    };
    path.push(node);
    neighbours(next).try_for_each(|node| visit(graph, node, path, steps))?;
    path.pop();
    Ok(())
}

fn neighbours(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(nodes) => Box::new(nodes.iter()),
        Value::Set(nodes) => Box::new(nodes.iter()),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Undefined => Box::new(std::iter::empty()),
    }
}

/// How many steps the paths of a graph may have together.
const MAX_STEPS: usize = 10_000;
