// What people write with Node's http: a handler with the layer's checks.
//
// Serves at the address ADDR of the environment; with an argument, checks signatures by that token.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const APP_ID = '1400000000';
const COMMAND = 'Sns.CallbackFriendAdd';
const NOW = 1669872112; // when the requests are signed
const MAX_BODY_SIZE = 1024 * 1024;

const token = process.argv[2];

/** What is wrong with the URL. */
function check(parameters) {
    if (parameters.get('CallbackCommand') !== COMMAND) return 'wrong command';
    if (parameters.get('SdkAppid') !== APP_ID) return 'wrong app';
    const kind = parameters.get('contenttype');
    if (kind !== null && kind.toLowerCase() !== 'json') return 'wrong content type';
    if (token !== undefined) {
        const time = parameters.get('RequestTime') ?? '';
        if (!(Math.abs(Number(time) - NOW) <= 60)) return 'too old';
        const sign = Buffer.from(parameters.get('Sign') ?? '');
        const expected = Buffer.from(createHash('sha256').update(token + time).digest('hex'));
        if (sign.length !== expected.length || !timingSafeEqual(sign, expected)) return 'wrong signature';
    }
    return '';
}

/** What is wrong with the body. */
async function read(request) {
    const chunks = [];
    let size = 0;
    for await (const chunk of request) {
        size += chunk.length;
        if (size > MAX_BODY_SIZE) return 'too large';
        chunks.push(chunk);
    }
    try {
        const packet = JSON.parse(Buffer.concat(chunks).toString());
        if (packet.CallbackCommand !== COMMAND) return 'wrong command';
        return Array.isArray(packet.PairList) ? '' : 'wrong body';
    } catch {
        return 'wrong body';
    }
}

const [host, port] = process.env.ADDR.split(':');
createServer(async (request, response) => {
    const { searchParams } = new URL(request.url, 'http://localhost');
    const wrong = check(searchParams) || await read(request);
    const answer = wrong
        ? { ActionStatus: 'FAIL', ErrorCode: 1, ErrorInfo: wrong }
        : { ActionStatus: 'OK', ErrorCode: 0, ErrorInfo: '' };
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(answer));
}).listen(Number(port), host);
