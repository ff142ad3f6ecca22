use super::*;

/// What a server does with the bytes of a client.
fn answered(key: &Key, client: [u8; preface::SIZE], first: &[u8; FIRST]) -> bool {
    let preface = Preface::decode(client).filter(|preface| preface.is_sealed());
    preface.is_some() && Responder::read(key, client, first).is_some()
}

#[test]
fn row_113_each_flipped_bit_of_the_handshake_ends_it() {
    let key = key(1);
    let sane = any_session(&key);
    for bit in 0..preface::SIZE * 8 {
        let mut preface = sane.client_preface;
        preface[bit / 8] ^= 1 << (bit % 8);
        assert!(!answered(&key, preface, &sane.first), "bit {bit} of the client's preface");
    }
    for bit in 0..FIRST * 8 {
        let mut first = sane.first;
        first[bit / 8] ^= 1 << (bit % 8);
        assert!(!answered(&key, sane.client_preface, &first), "bit {bit} of the first message");
    }
    let whole: Vec<u8> = [&sane.server_preface[..], &sane.second].concat();
    let offered = Preface::decode(sane.client_preface).unwrap();
    for bit in 0..whole.len() * 8 {
        // The server answers an honest client, and its answer is changed.
        let (initiator, first) = Initiator::new(&key, offered);
        let responder = Responder::read(&key, sane.client_preface, &first).unwrap();
        let (answer, second, _) = responder.answer(Preface::new(ServiceId::new(1))).unwrap();
        let mut bytes = [&answer.encode()[..], &second].concat();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (preface, second) = bytes.split_first_chunk().unwrap();
        let finished = initiator.finish(*preface, second.first_chunk().unwrap());
        assert!(finished.is_err(), "bit {bit} of the server's answer");
    }
}

#[test]
fn row_113_a_weaker_choice_than_the_offer_is_not_forced_by_who_is_on_the_way() {
    let key = key(1);
    let both = preface::SEALED | preface::AES;
    // Somebody takes the offer of AES away: the server cannot read the first message any more.
    let preface = Preface { flags: both, ..Preface::new(ServiceId::new(1)) };
    let (_, first) = Initiator::new(&key, preface);
    for flags in [0, preface::SEALED, preface::AES] {
        assert!(!answered(&key, Preface { flags, ..preface }.encode(), &first), "{flags}");
    }
    // A server that takes what was not offered is not believed, even if it has the key.
    let (initiator, first) = Initiator::new(&key, Preface { flags: preface::SEALED, ..preface });
    let client = Preface { flags: preface::SEALED, ..preface }.encode();
    let responder = Responder::read(&key, client, &first).unwrap();
    let (answer, second, _) = responder.answer(Preface::new(ServiceId::new(1))).unwrap();
    assert_eq!(answer.flags, preface::SEALED);
    let forced = Preface { flags: both, ..answer }.encode();
    assert!(initiator.finish(forced, &second).is_err());
}

#[test]
fn row_114_another_key_opens_nothing() {
    let (mine, yours) = (key(1), key(2));
    let Session { client_preface, first, .. } = any_session(&mine);
    assert!(Responder::read(&yours, client_preface, &first).is_none());
    let preface = Preface::decode(client_preface).unwrap();
    let (initiator, _) = Initiator::new(&mine, preface);
    let other = any_session(&yours);
    assert!(initiator.finish(other.server_preface, &other.second).is_err());
}

#[test]
fn row_113_a_first_message_that_is_played_back_opens_nothing() {
    let key = key(1);
    let honest = any_session(&key);
    // The server answers with an ephemeral key of its own: what the client sent to the first session does not fit.
    let again = Responder::read(&key, honest.client_preface, &honest.first).unwrap();
    let (.., mut server) = again.answer(Preface::new(ServiceId::new(1))).unwrap();
    let mut client = honest.client;
    let mut recorded = BytesMut::new();
    client.sealer.confirm(&mut recorded);
    recorded.extend_from_slice(&sealed(&mut client.sealer, b"PUT"));
    assert!(server.opener.is_unconfirmed());
    assert_eq!(opened(&mut server.opener, &recorded), Err(Forged));
    assert_eq!(opened(&mut server.opener, &recorded), Err(Forged));
}

/// A session whose client has confirmed its key.
fn confirmed() -> Session {
    let mut session = any_session(&key(1));
    let mut out = BytesMut::new();
    session.client.sealer.confirm(&mut out);
    assert_eq!(opened(&mut session.server.opener, &out), Ok(vec![vec![]]));
    assert!(!session.server.opener.is_unconfirmed() && !session.server.opener.is_at_end());
    session
}

#[test]
fn row_113_records_that_are_repeated_swapped_left_out_or_sent_back_are_refused() {
    let texts: [&[u8]; 3] = [b"one", b"two", b"three"];
    let orders: [&[usize]; 6] = [&[0, 0], &[1], &[0, 2], &[1, 0], &[0, 1, 1], &[2, 1, 0]];
    for order in orders {
        let Session { mut client, mut server, .. } = confirmed();
        let records = texts.map(|text| sealed(&mut client.sealer, text));
        let sent: Vec<u8> = order.iter().flat_map(|n| records[*n].clone()).collect();
        assert_eq!(opened(&mut server.opener, &sent), Err(Forged), "{order:?}");
        // After one forgery nothing is accepted any more, not even what would have been right.
        assert_eq!(opened(&mut server.opener, &records[0]), Err(Forged));
    }
    let Session { mut client, .. } = confirmed();
    let back = sealed(&mut client.sealer, b"one");
    assert_eq!(opened(&mut client.opener, &back), Err(Forged), "sent back to who sent it");
}

#[test]
fn row_113_records_of_another_session_with_the_same_key_are_refused() {
    let (mut one, mut two) = (confirmed(), confirmed());
    let foreign = sealed(&mut one.client.sealer, b"one");
    assert_eq!(opened(&mut two.server.opener, &foreign), Err(Forged));
    let answer = sealed(&mut one.server.sealer, b"one");
    assert_eq!(opened(&mut two.client.opener, &answer), Err(Forged));
}

#[test]
fn row_113_each_flipped_bit_of_thousands_of_records_is_noticed() {
    for length in [0, 1, 2, 15, 16, 17, 40, 200] {
        let bits = (super::super::HEADER + length + super::super::TAG) * 8;
        for bit in 0..bits {
            let Session { mut client, mut server, .. } = confirmed();
            let mut record = sealed(&mut client.sealer, &vec![7; length]);
            record[bit / 8] ^= 1 << (bit % 8);
            // A length that grew waits for bytes that never come; all others are forgeries at once.
            record.extend_from_slice(&vec![0; 1 << 16]);
            assert_eq!(opened(&mut server.opener, &record), Err(Forged), "bit {bit} of {length} bytes");
        }
    }
}

#[test]
fn row_113_a_stream_that_is_cut_anywhere_has_no_end() {
    let Session { mut client, mut server, .. } = confirmed();
    let mut whole = BytesMut::from(&sealed(&mut client.sealer, b"some text")[..]);
    client.sealer.end(&mut whole);
    let length = whole.len();
    let mut front = BytesMut::new();
    for (at, byte) in whole.iter().enumerate() {
        assert!(!server.opener.is_at_end(), "after {at} of {length} bytes");
        front.extend_from_slice(&[*byte]);
        server.opener.open(&mut front).unwrap();
    }
    assert!(server.opener.is_at_end());
    // It is ended once, and nothing may follow.
    client.sealer.end(&mut whole);
    assert_eq!(whole.len(), length);
    assert_eq!(opened(&mut server.opener, b"more"), Err(Forged));
}

#[test]
fn keys_change_long_before_the_limits_of_the_ciphers_and_both_sides_agree() {
    for flags in [preface::SEALED, preface::SEALED | preface::AES] {
        let Session { mut client, mut server, .. } = session(&key(1), flags, [None, None]);
        let mut out = BytesMut::new();
        client.sealer.confirm(&mut out);
        for n in 0..140_000u32 {
            client.sealer.seal(std::iter::once(&n.to_be_bytes()[..]), usize::MAX, &mut out);
            while let Some(text) = server.opener.open(&mut out).unwrap() {
                assert!(text.is_empty() || text[..] == n.to_be_bytes());
            }
        }
    }
}

#[test]
fn many_pieces_are_sealed_in_records_of_full_size() {
    let Session { mut client, mut server, .. } = confirmed();
    let pieces = [vec![1; 10], vec![2; 100_000], vec![], vec![3; 40_000]];
    let mut out = BytesMut::new();
    let taken = client.sealer.seal(pieces.iter().map(Vec::as_slice), usize::MAX, &mut out);
    assert_eq!(taken, super::super::CONTENT);
    assert_eq!(out.len(), 2 + 65_535);
    let text = server.opener.open(&mut out).unwrap().unwrap();
    assert_eq!(text[..], pieces.concat()[..taken]);
}
