//! Turns our `.proto` files into Rust, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/milvus.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_transport(false)
        .codec_path("crate::codec::WeighingCodec")
        .bytes(".milvus.proto.common.PlaceholderValue")
        .bytes(".milvus.proto.milvus.SearchRequest")
        .bytes(".milvus.proto.schema.JSONArray")
        .compile_fds(files)?;
    Ok(())
}
