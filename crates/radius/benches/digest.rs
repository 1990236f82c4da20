//! What MD5 costs: the implementations there are, and four signatures one by one and side by side.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use md5::{Digest, Md5};
use radius::attribute::kind;
use radius::code::Code;
use radius::secret::PreparedSecret;
use radius::signer::{SIDE_BY_SIDE, Signable, Signer, Unsigned};
use radius::writer::PacketWriter;

/// As long as a login; two blocks.
const MESSAGE: [u8; 100] = [7; 100];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    implementations(&mut criterion);
    signatures(&mut criterion);
    criterion.final_summary();
}

fn implementations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("md5");
    group.throughput(Throughput::Bytes(MESSAGE.len() as u64));
    group.bench_function("fast-md5", |bencher| {
        bencher.iter(|| fast_md5::digest(black_box(&MESSAGE)));
    });
    group.bench_function("md-5", |bencher| {
        bencher.iter(|| Md5::digest(black_box(&MESSAGE)));
    });
    group.bench_function("md5", |bencher| {
        bencher.iter(|| md5_classic::compute(black_box(&MESSAGE)));
    });
    group.finish();
}

fn signatures(criterion: &mut Criterion) {
    let secret = PreparedSecret::new(b"0123456789abcdef");
    let mut buffers: [Vec<u8>; SIDE_BY_SIDE] = Default::default();
    let unsigned = buffers.each_mut().map(write);
    let mut replies = buffers.each_mut().map(|octets| Signable {
        octets,
        unsigned: unsigned[0],
        secret: &secret,
    });
    let mut signer = Signer::default();
    let mut group = criterion.benchmark_group("sign");
    group.throughput(Throughput::Elements(SIDE_BY_SIDE as u64));
    group.bench_function("one by one", |bencher| {
        bencher.iter(|| {
            for reply in black_box(&mut replies).chunks_mut(1) {
                signer.sign(reply);
            }
        });
    });
    group.bench_function("side by side", |bencher| {
        bencher.iter(|| signer.sign(black_box(&mut replies)));
    });
    group.finish();
}

/// An accept with a class and an interval.
fn write(buffer: &mut Vec<u8>) -> Unsigned {
    let mut writer = PacketWriter::new(buffer, Code::AccessAccept, 1);
    let written = writer
        .push_message_authenticator()
        .and_then(|()| writer.push(kind::CLASS, &[3; 40]))
        .and_then(|()| writer.push_integer(kind::ACCT_INTERIM_INTERVAL, 300));
    written.expect("the attributes fit");
    writer.finish_unsigned(&[7; 16])
}
