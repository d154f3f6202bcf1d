import type { Socket } from 'node:net';
import { AppError } from '../errors.ts';
import { errorBody } from './errors.ts';

/**
 * Answers what is not HTTP well enough to become a request (too large headers, a broken or slow head), in the
 * same shape as every other error, and closes the connection.
 */
export function answerClientError(error: Error & { code?: string }, socket: Socket, requestId: string): void {
  if (socket.writable && error.code !== 'ECONNRESET') {
    const [statusLine, message] = CLIENT_ERRORS[error.code ?? ''] ?? [
      '400 Bad Request',
      'This is not valid HTTP.',
    ];
    const body = JSON.stringify(errorBody(new AppError('invalid_request', { message }), requestId));
    socket.write(
      `HTTP/1.1 ${statusLine}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [statusLine: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The URL and headers are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request took too long to arrive.'],
};
