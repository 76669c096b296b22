use super::*;

fn requests() -> Vec<Request> {
    let load = Load {
        file: "/tmp/image".to_owned(),
        address: 0x5555_0000_0000,
        len: 4096,
        swaps: vec![Swap {
            target: 1,
            replacement: 2,
        }],
        writes: vec![Bytes {
            address: 3,
            bytes: vec![4, 5],
        }],
        caches: vec![Guarded {
            lock: 6,
            bytes: Bytes {
                address: 7,
                bytes: vec![8],
            },
        }],
        sources: vec!["src/main.rs".to_owned()],
        contents: Contents {
            parts: vec![Span { start: 9, len: 10 }],
            new: vec!["a".to_owned()],
            stays: "optimised".to_owned(),
        },
        settles: true,
    };
    vec![
        Request::Resolve(vec!["malloc".to_owned(), String::new()]),
        Request::Room(4096),
        Request::Threads("/tmp/threads".to_owned()),
        Request::Load(load),
        Request::Prepare(u64::MAX),
        Request::Undo,
        Request::Active,
        Request::Images(1),
    ]
}

#[test]
fn what_is_sent_arrives() {
    for request in requests() {
        let mut bytes = Vec::new();
        send(&mut bytes, &request).unwrap();
        assert_eq!(receive::<Request>(&mut bytes.as_slice()).unwrap(), request);
    }
    let hello = Hello {
        version: VERSION,
        pid: 1,
        slide: 0x1000,
        reserve: -64,
        reserve_len: 32,
        control: "/tmp/midair-0/shop-1.sock".to_owned(),
        no_control: String::new(),
        area: 0x20_0000,
        area_len: 0x1000,
        page: 0x1000,
    };
    let mut bytes = Vec::new();
    send(&mut bytes, &hello).unwrap();
    assert_eq!(receive::<Hello>(&mut bytes.as_slice()).unwrap(), hello);
    let questions = [
        Question::Reload("src/main.rs".to_owned()),
        Question::Undo,
        Question::Eval {
            definition: "fn a() {}".to_owned(),
            is_written: true,
        },
        Question::Sources,
    ];
    for question in questions {
        let mut bytes = Vec::new();
        send(&mut bytes, &question).unwrap();
        let got: Question = receive(&mut bytes.as_slice()).unwrap();
        assert_eq!(got, question);
    }
    let told = Told {
        is_done: true,
        text: "done".to_owned(),
        data: "{}".to_owned(),
    };
    let mut bytes = Vec::new();
    send(&mut bytes, &told).unwrap();
    assert_eq!(receive::<Told>(&mut bytes.as_slice()).unwrap(), told);
}

#[test]
fn a_message_that_is_cut_short_is_an_error() {
    for request in requests() {
        let mut bytes = Vec::new();
        send(&mut bytes, &request).unwrap();
        for len in 0..bytes.len() {
            assert!(receive::<Request>(&mut &bytes[..len]).is_err(), "{len}");
        }
    }
}

#[test]
fn a_list_that_claims_to_be_endless_is_an_error() {
    let mut bytes = 16_u32.to_le_bytes().to_vec();
    1_u64.put(&mut bytes);
    u64::MAX.put(&mut bytes);
    assert!(receive::<Request>(&mut bytes.as_slice()).is_err());
}
