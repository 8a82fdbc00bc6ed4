//! The items of `tests/mesh` in a cluster that `tests/kind/run` has made (`make kind-test`), and what can
//! be held of that run without a cluster.
//!
//! The items are ignored unless asked for: nothing here pretends to have seen a cluster.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking and tells why"
)]

mod applications;
mod cluster;
mod commands;
mod curl;
mod driver;
mod load;
#[path = "../mesh/mesh.rs"]
mod mesh;
mod readme;
mod rehearsal;
mod script;

use driver::Driver;
use mesh::{catalogue::every_item, check, failing, filters, proxy, reloading};

macro_rules! tests {
    (
        any_mesh { $($part:ident::$item:ident,)+ }
        cluster { $($own_part:ident::$own_item:ident,)+ }
    ) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs the cluster that `make kind-test` makes"]
            async fn $item() {
                $part::$item(&mut Driver::of_cluster().await).await;
            }
        )+
        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs the cluster that `make kind-test` makes"]
            async fn $own_item() {
                $own_part::$own_item(&Driver::of_cluster().await).await;
            }
        )+
    };
}

every_item!(tests);
