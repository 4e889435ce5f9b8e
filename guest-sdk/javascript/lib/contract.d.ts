// The contract `lazaret:filter@0.1.0` as JavaScript sees it, for editors and for TypeScript. The words are those of
// wit/*.wit, where every rule is written down; names in kebab-case there are in camelCase here.
//
// A function whose WIT says `result<_, error>` throws an Error; `errorName` of lazaret.js tells which.

export interface Reply {
  code?: number;
  enhanced?: string;
  text: string;
}

export type Verdict =
  | { tag: "continue" }
  | { tag: "accept" }
  | { tag: "reject"; val: Reply }
  | { tag: "defer"; val: Reply }
  | { tag: "discard" }
  | { tag: "quarantine"; val: string }
  | { tag: "disconnect"; val: Reply };

export interface Parameter {
  keyword: string;
  value: string | null | undefined;
}

export interface Address {
  mailbox: string;
  localPart: string;
  domain: string;
  parameters: Parameter[];
}

export type ErrorName = "not-granted" | "not-now" | "limit" | "unavailable" | "invalid";

export interface ResultOfTransaction {
  code: number;
  text: string;
  decidedBy: string | null | undefined;
  queueId: string | null | undefined;
}

/** What `subscribe` takes: the stages that a filter wants to be asked at. */
export interface Filter {
  /** The `[config]` table; throw ConfigError for what the operator must mend. */
  configure?(config: any): void;
  connect?(): Verdict;
  hello?(name: string): Verdict;
  auth?(mechanism: string, name?: string | null): Verdict;
  mail?(sender: Address): Verdict;
  rcpt?(recipient: Address): Verdict;
  headers?(): Verdict;
  message?(): Verdict;
  outcome?(transaction: ResultOfTransaction): void;
  disconnect?(reason: string): void;
}

/** What `subscribe` gives: the exports of the component. */
export interface Exports {
  configure(config: string): void;
  onConnect: { connect(): Verdict };
  onHello: { hello(name: string): Verdict };
  onAuth: { auth(mechanism: string, name?: string | null): Verdict };
  onMail: { mail(sender: Address): Verdict };
  onRcpt: { rcpt(recipient: Address): Verdict };
  onHeaders: { headers(): Verdict };
  onMessage: { message(): Verdict };
  onOutcome: { outcome(transaction: ResultOfTransaction): void };
  onDisconnect: { disconnect(reason: string): void };
}
