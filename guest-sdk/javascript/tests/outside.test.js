// What tests give to a filter in place of the outside world.

import assert from "node:assert/strict";
import { test } from "node:test";

import { play } from "../testing/index.js";
import * as dns from "lazaret:filter/dns@0.1.0";
import * as http from "lazaret:filter/http@0.1.0";
import * as lists from "lazaret:filter/lists@0.1.0";
import * as metrics from "lazaret:filter/metrics@0.1.0";
import * as state from "lazaret:filter/state@0.1.0";

/** What a filter sees that runs `ask` at connect. */
function seen(ask, transaction) {
  let result;
  class Asking {
    connect() {
      result = ask();
      return { tag: "continue" };
    }
  }
  const report = play(Asking, {}, transaction);
  return { result, report };
}

test("names are those of the test", () => {
  const given = { dns: { "example.org": { mx: ["10 mx.example.org"], txt: "failed" } } };
  const ask = () =>
    dns.lookupAll(["mx", "txt", "a"].map((kind) => ({ name: "Example.org.", kind }))).concat(dns.lookup("example.net", "a"));
  assert.deepEqual(seen(ask, given).result, [
    { tag: "records", val: ["10 mx.example.org"] },
    { tag: "failed" },
    { tag: "no-data" },
    { tag: "no-name" },
  ]);
});

test("state lasts from one transaction to the next", () => {
  const kept = { state: new Map() };
  assert.equal(seen(() => state.increment("seen", 2, 60), kept).result, 2);
  assert.equal(seen(() => state.increment("seen", 1, 60), kept).result, 3);
  assert.equal(seen(() => state.compareAndSet("once", null, Buffer.from("a"), 60), kept).result, true);
  assert.equal(seen(() => state.compareAndSet("once", null, Buffer.from("b"), 60), kept).result, false);
  assert.equal(seen(() => state.get("once").toString(), kept).result, "a");
  assert.equal(seen(() => state.remove("once") && state.get("once"), kept).result, null);
});

test("servers, lists and metrics", () => {
  const given = { http: { "http://127.0.0.1:11334": { status: 200, content: "{}" } }, lists: { near: ["example.org 5"] } };
  const request = { verb: "GET", url: "http://127.0.0.1:11334/ping", fields: [], content: { tag: "none" } };
  const { result, report } = seen(() => {
    metrics.count("asked", 2);
    assert.throws(() => http.fetch({ ...request, url: "http://192.0.2.1/" }), /not-granted/);
    return [http.fetch(request).status, lists.lookup("near", "a.example.org"), lists.contains("near", "example.net")];
  }, given);
  assert.deepEqual(result, [200, "5", false]);
  assert.deepEqual(report.requests, [request]);
  assert.deepEqual(report.metrics, { asked: 2 });
});

test("what is denied says so", () => {
  const denied = { deny: ["dns"] };
  assert.throws(() => seen(() => dns.lookup("example.org", "a"), denied), /not-granted/);
});
