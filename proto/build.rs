//! Compiles our own services, without an installed `protoc`.

use std::error::Error;

const FILES: [&str; 1] = ["proto/portcullis/observe/v1/observe.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/portcullis");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
