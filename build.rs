//! Routes how glommio makes its rings through `shard::net::ring`: with better flags, and without memory of their own.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-Wl,--wrap=__sys_io_uring_setup");
    println!("cargo:rustc-link-arg=-Wl,--wrap=__sys_io_uring_register");
}
