//! The table of `tests/mesh/README.md` is the catalogue.

use crate::mesh::catalogue::every_item;

macro_rules! rows {
    (
        any_mesh { $($part:ident::$item:ident,)+ }
        cluster { $($own_part:ident::$own_item:ident,)+ }
    ) => {
        [
            $((concat!("`", stringify!($item), "`"), "yes"),)+
            $((concat!("`", stringify!($own_item), "`"), "no"),)+
        ]
    };
}

/// Name of each item, and whether one Envoy is enough for it.
fn rows() -> Vec<(&'static str, &'static str)> {
    every_item!(rows).into()
}

#[test]
fn the_table_has_every_item_in_order_and_says_where_it_runs() {
    let page = include_str!("../mesh/README.md");
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        // What one Envoy cannot show is said where there is something to say.
        matches!(cells[..], ["", item, ..] if item.starts_with('`')).then(|| {
            assert_eq!(cells.len(), 6, "{line}");
            assert_eq!(cells[4].is_empty(), cells[3] == "yes, all of it", "{line}");
            let alone = if cells[3].starts_with("yes") {
                "yes"
            } else {
                "no"
            };
            (cells[1], alone)
        })
    };
    let table: Vec<_> = page.lines().filter_map(cells).collect();
    assert_eq!(table, rows());
}
