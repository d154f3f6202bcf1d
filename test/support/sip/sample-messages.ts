import { message, sdp } from './torture-message.ts';

/** What trunks and phones really send: the start of a call with challenges, its answer, its end. */
export const SAMPLES: Readonly<Record<string, Buffer>> = {
  invite: message`
INVITE sip:+4930123456@192.0.2.10:5060;user=phone SIP/2.0
Via: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK7f3a9c51d2e84b60aa17c3de
Max-Forwards: 70
From: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
To: <sip:+4930123456@192.0.2.10>
Call-ID: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 2 INVITE
Contact: <sip:voice-otp@192.0.2.20:5060>
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO
Supported: 100rel, timer
Session-Expires: 1800;refresher=uac
Min-SE: 90
Proxy-Authorization: Digest username="u", realm="r", nonce="n", uri="sip:+4930123456@192.0.2.10", response="0123456789abcdef0123456789abcdef", algorithm=MD5, cnonce="c", qop=auth, nc=00000001
Content-Type: application/sdp
Content-Length: 150

${sdp('192.0.2.1')}`,
  challenge: message`
SIP/2.0 407 Proxy Authentication Required
Via: SIP/2.0/UDP 192.0.2.20:5060;rport=5060;received=192.0.2.20;branch=z9hG4bK7f3a9c51d2e84b60aa17c3de
From: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
To: <sip:+4930123456@192.0.2.10>;tag=as58f4201b
Call-ID: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 1 INVITE
Proxy-Authenticate: Digest realm="sip.example.com", nonce="WQ3f,0=", qop="auth,auth-int", algorithm=SHA-256, opaque="o\"o", stale=false, Digest realm="sip.example.com", nonce="x", algorithm=MD5
Content-Length: 0

`,
  ringing: message`
SIP/2.0 183 Session Progress
Via: SIP/2.0/UDP 192.0.2.20:5060;rport=5060;received=192.0.2.20;branch=z9hG4bK7f3a9c51d2e84b60aa17c3de
Record-Route: <sip:192.0.2.11;lr;ftag=5d1c7a>, <sip:192.0.2.12;lr>
From: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
To: <sip:+4930123456@192.0.2.10>;tag=as58f4201b
Call-ID: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 2 INVITE
Require: 100rel
RSeq: 4711
Contact: <sip:+4930123456@192.0.2.30:5080;transport=udp>
Content-Type: application/sdp
Content-Length: 150

${sdp('192.0.2.1')}`,
  answer: message`
SIP/2.0 200 OK
v: SIP/2.0/UDP 192.0.2.20:5060;rport=5060;received=192.0.2.20;branch=z9hG4bK7f3a9c51d2e84b60aa17c3de
Record-Route: <sip:192.0.2.11;lr;ftag=5d1c7a>
Record-Route: <sip:192.0.2.12;lr>
f: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
t: <sip:+4930123456@192.0.2.10>;tag=as58f4201b
i: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 2 INVITE
m: <sip:+4930123456@[2001:db8::30]:5080;transport=udp>
x: 1800;refresher=uac
k: timer, 100rel
c: application/sdp
l: 150

${sdp('192.0.2.1')}`,
  ack: message`
ACK sip:+4930123456@192.0.2.30:5080;transport=udp SIP/2.0
Via: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK1111
Route: <sip:192.0.2.12;lr>
Route: <sip:192.0.2.11;lr;ftag=5d1c7a>
Max-Forwards: 70
From: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
To: <sip:+4930123456@192.0.2.10>;tag=as58f4201b
Call-ID: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 2 ACK
Content-Length: 0

`,
  bye: message`
BYE sip:voice-otp@192.0.2.20:5060 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.12;branch=z9hG4bK9f.1, SIP/2.0/UDP 192.0.2.30:5080;branch=z9hG4bK77
Max-Forwards: 69
From: <sip:+4930123456@192.0.2.10>;tag=as58f4201b
To: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
Call-ID: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 102 BYE
Reason: Q.850;cause=16;text="Normal call clearing", SIP;cause=200
Content-Length: 0

`,
  busy: message`
SIP/2.0 486 Busy Here
Via: SIP/2.0/UDP 192.0.2.20:5060;rport=5060;branch=z9hG4bK7f3a9c51d2e84b60aa17c3de
From: "Verify" <sip:+15550100@192.0.2.20>;tag=5d1c7a
To: <sip:+4930123456@192.0.2.10>;tag=as58f4201b
Call-ID: 2f0e1d5c-8b7a-4c3d-9e21-a1b2c3d4e5f6
CSeq: 2 INVITE
Reason: Q.850;cause=17;text="User busy"
Retry-After: 120 (in a meeting);duration=60
Content-Length: 0

`,
  options: message`
OPTIONS sip:192.0.2.20 SIP/2.0
Via: SIP/2.0/TCP 192.0.2.30:5062;branch=z9hG4bKoptions
Max-Forwards: 70
From: <sip:ping@192.0.2.30>;tag=1
To: <sip:192.0.2.20>
Call-ID: options@192.0.2.30
CSeq: 1 OPTIONS
Contact: <sip:ping@192.0.2.30:5062;transport=tcp>
Content-Length: 0

`,
};
