//! Every nesting shape up to depth three against the reference. `make matrix` runs all of them,
//! `make test` a share; DF_MATRIX_STRIDE says how large.

use std::time::Instant;

use df_reference::{Program, shapes};

use crate::programs::Stage;

/// Every how many shapes one is run, unless DF_MATRIX_STRIDE says otherwise.
const STRIDE: usize = 16;

fn stride() -> usize {
    let given = std::env::var("DF_MATRIX_STRIDE").ok();
    given.map_or(STRIDE, |text| {
        text.parse().expect("DF_MATRIX_STRIDE is a number")
    })
}

fn chosen() -> Vec<Program> {
    shapes()
        .into_iter()
        .step_by(stride())
        .map(|shape| shape.program)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shape_does_what_the_rules_say() {
    let stage = Stage::new().await;
    let _relay = stage.db.start_relay();
    let (programs, begun) = (chosen(), Instant::now());
    let ids = stage.start(&programs).await;
    stage.verify(&programs, &ids).await;
    eprintln!("{} programs in {:.1?}", programs.len(), begun.elapsed());
}
