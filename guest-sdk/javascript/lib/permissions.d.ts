// The modules that a filter imports, one for each permission. See contract.d.ts.

declare module "lazaret:filter/session@0.1.0" {
  export interface ClientInfo {
    address: string;
    port: number;
    name: string | null | undefined;
  }
  export interface Certificate {
    subject: string;
    issuer: string;
    sha256: string;
    verified: boolean;
  }
  export interface TlsInfo {
    version: string;
    cipher: string;
    serverName: string | null | undefined;
    clientCertificate: Certificate | null | undefined;
  }
  export function id(): string;
  export function listener(): string;
  export function client(): ClientInfo;
  export function hello(): string | null | undefined;
  export function tls(): TlsInfo | null | undefined;
  export function user(): string | null | undefined;
  export function earlyTalker(): boolean;
}

declare module "lazaret:filter/envelope@0.1.0" {
  type Address = import("./contract").Address;
  export function sender(): Address | null | undefined;
  export function recipients(): Address[];
}

declare module "lazaret:filter/headers@0.1.0" {
  export interface Field {
    name: string;
    value: Uint8Array;
  }
  export function all(): Field[];
  export function text(name: string): string[];
}

declare module "lazaret:filter/body@0.1.0" {
  export function size(): number;
  /** At most 65536 octets at once. Throws. */
  export function read(offset: number, length: number): Uint8Array;
}

declare module "lazaret:filter/parts@0.1.0" {
  export interface Part {
    index: number;
    parent: number | null | undefined;
    contentType: string;
    name: string | null | undefined;
    attachment: boolean;
    size: number;
    sha256: string;
  }
  /** Throws. */
  export function all(): Part[];
  /** At most 65536 octets at once. Throws. */
  export function read(part: number, offset: number, length: number): Uint8Array;
  /** Throws. */
  export function text(part: number): string;
}

declare module "lazaret:filter/edit-headers@0.1.0" {
  /** Throws. */
  export function add(name: string, value: string): void;
  /** Throws. */
  export function replace(name: string, nth: number, value: string): void;
  /** One, or all of that name; how many. Throws. */
  export function remove(name: string, nth: number | undefined): number;
}

declare module "lazaret:filter/score@0.1.0" {
  export interface Entry {
    filter: string;
    symbol: string;
    points: number;
    why: string;
  }
  /** Throws. */
  export function add(symbol: string, points: number, why: string): void;
  /** Throws. */
  export function total(): number;
  /** Throws. */
  export function all(): Entry[];
}

declare module "lazaret:filter/notes@0.1.0" {
  export type Scope = "connection" | "transaction";
  /** Throws. */
  export function set(scope: Scope, key: string, value: string): void;
  /** Throws. */
  export function get(filter: string, key: string): string | null | undefined;
}

declare module "lazaret:filter/pace@0.1.0" {
  /** Throws. */
  export function hold(milliseconds: number): void;
}

declare module "lazaret:filter/log@0.1.0" {
  export type Level = "debug" | "info" | "warn" | "error";
  export function write(level: Level, message: string): void;
}

declare module "lazaret:filter/entropy@0.1.0" {
  /** At most 4096 octets. */
  export function random(length: number): Uint8Array;
}

declare module "lazaret:filter/dns@0.1.0" {
  export type Kind = "a" | "aaaa" | "mx" | "txt" | "ptr";
  export interface Query {
    name: string;
    kind: Kind;
  }
  export type Answer = { tag: "records"; val: string[] } | { tag: "no-name" | "no-data" | "failed" | "late" };
  /** Throws. */
  export function lookup(name: string, kind: Kind): Answer;
  /** All at once. Throws. */
  export function lookupAll(queries: Query[]): Answer[];
}

declare module "lazaret:filter/state@0.1.0" {
  type Octets = Uint8Array | null | undefined;
  /** Throws. */
  export function get(key: string): Octets;
  /** Throws. */
  export function set(key: string, value: Uint8Array, seconds: number): void;
  /** Was it there? Throws. */
  export function remove(key: string): boolean;
  /** The sum. Throws. */
  export function increment(key: string, by: number, seconds: number): number;
  /** Was it `expected`? Throws. */
  export function compareAndSet(key: string, expected: Octets, value: Octets, seconds: number): boolean;
}

declare module "lazaret:filter/http@0.1.0" {
  export interface Field {
    name: string;
    value: string;
  }
  export type Content = { tag: "none" | "message" } | { tag: "octets"; val: Uint8Array };
  export interface Request {
    verb: string;
    url: string;
    fields: Field[];
    content: Content;
  }
  export interface Response {
    status: number;
    fields: Field[];
    content: Uint8Array;
  }
  /** Throws. */
  export function fetch(request: Request): Response;
}

declare module "lazaret:filter/lists@0.1.0" {
  /** Throws. */
  export function contains(name: string, entry: string): boolean;
  /** Throws. */
  export function lookup(name: string, entry: string): string | null | undefined;
}

declare module "lazaret:filter/metrics@0.1.0" {
  /** Throws. */
  export function count(name: string, by: number): void;
  /** Throws. */
  export function gauge(name: string, value: number): void;
}
