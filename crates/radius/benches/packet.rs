//! What every login costs in the codec: reading and verifying a request, writing and signing a reply.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use radius::attribute::{kind, mikrotik, vendor};
use radius::authenticator::{MessageAuthenticatorCheck, verify_message_authenticator};
use radius::code::Code;
use radius::packet::Packet;
use radius::password::{chap, mschap, pap};
use radius::writer::{PacketWriter, WriteError};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const REQUEST_AUTHENTICATOR: [u8; 16] = [7; 16];
const PASSWORD: &str = "correct-horse";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    read(&mut criterion);
    write(&mut criterion);
    prove(&mut criterion);
    criterion.final_summary();
}

fn read(criterion: &mut Criterion) {
    let mut octets = Vec::new();
    write_request(&mut octets).expect("the attributes fit");
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let packet = Packet::parse(black_box(&octets)).expect("we wrote it");
            packet.find(kind::USER_NAME).map(<[u8]>::len)
        });
    });
    group.bench_function("decode and verify", |bencher| {
        bencher.iter(|| {
            let packet = Packet::parse(black_box(&octets)).expect("we wrote it");
            verify_message_authenticator(&packet, SECRET) == MessageAuthenticatorCheck::Valid
        });
    });
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mut buffer = Vec::new();
    let mut group = criterion.benchmark_group("reply");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode and sign", |bencher| {
        bencher.iter(|| {
            write_reply(&mut buffer).expect("the attributes fit");
            buffer.len()
        });
    });
    group.finish();
}

fn prove(criterion: &mut Criterion) {
    let mut hidden = [0; pap::PASSWORD_LENGTH_MAX];
    let hidden = pap::encrypt(
        PASSWORD.as_bytes(),
        SECRET,
        &REQUEST_AUTHENTICATOR,
        &mut hidden,
    )
    .expect("the password fits");
    let answer = chap::respond(1, &REQUEST_AUTHENTICATOR, PASSWORD.as_bytes());
    let nt_hash = mschap::nt_hash(PASSWORD);
    let response = mschap::v2_respond(1, &[1; 16], &[2; 16], b"ana", &nt_hash);
    let mut group = criterion.benchmark_group("proof");
    group.throughput(Throughput::Elements(1));
    group.bench_function("pap", |bencher| {
        bencher.iter(|| {
            let mut clear = [0; pap::PASSWORD_LENGTH_MAX];
            let clear = pap::decrypt(
                black_box(hidden),
                SECRET,
                &REQUEST_AUTHENTICATOR,
                &mut clear,
            );
            clear == Some(PASSWORD.as_bytes())
        });
    });
    group.bench_function("chap", |bencher| {
        bencher.iter(|| {
            chap::verify(
                black_box(&answer),
                &REQUEST_AUTHENTICATOR,
                PASSWORD.as_bytes(),
            )
        });
    });
    group.bench_function("mschapv2", |bencher| {
        bencher.iter(|| mschap::v2_verify(&[1; 16], black_box(&response), b"ana", &nt_hash));
    });
    group.finish();
}

/// A PAP login as RouterOS sends it.
fn write_request(buffer: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut hidden = [0; pap::PASSWORD_LENGTH_MAX];
    let hidden = pap::encrypt(
        PASSWORD.as_bytes(),
        SECRET,
        &REQUEST_AUTHENTICATOR,
        &mut hidden,
    );
    let mut writer = PacketWriter::new(buffer, Code::AccessRequest, 1);
    writer.push_message_authenticator()?;
    writer.push_integer(kind::SERVICE_TYPE, 2)?;
    writer.push_integer(kind::FRAMED_PROTOCOL, 1)?;
    writer.push_integer(kind::NAS_PORT_TYPE, 15)?;
    writer.push_integer(kind::NAS_PORT, 15_728_641)?;
    writer.push_text(kind::NAS_PORT_ID, "ether2")?;
    writer.push_text(kind::CALLING_STATION_ID, "02:00:5E:00:00:01")?;
    writer.push_text(kind::CALLED_STATION_ID, "service1")?;
    writer.push_text(kind::ACCT_SESSION_ID, "81000001")?;
    writer.push_text(kind::USER_NAME, "ana")?;
    writer.push(kind::USER_PASSWORD, hidden.expect("the password fits"))?;
    writer.push_text(kind::NAS_IDENTIFIER, "pop-1")?;
    writer.push_ipv4(kind::NAS_IP_ADDRESS, [192, 0, 2, 1].into())?;
    writer.finish_access_request(&REQUEST_AUTHENTICATOR, SECRET);
    Ok(())
}

/// An accept with a speed, a class and an interval.
fn write_reply(buffer: &mut Vec<u8>) -> Result<(), WriteError> {
    let mut writer = PacketWriter::new(buffer, Code::AccessAccept, 1);
    writer.push_message_authenticator()?;
    writer.push_vendor_text(vendor::MIKROTIK, mikrotik::RATE_LIMIT, "25M/50M")?;
    writer.push(kind::CLASS, &[3; 16])?;
    writer.push_integer(kind::ACCT_INTERIM_INTERVAL, 300)?;
    writer.finish_reply(&REQUEST_AUTHENTICATOR, SECRET);
    Ok(())
}
