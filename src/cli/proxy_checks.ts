/** Takes what is wrong; `path` counts from the `proxy` section. */
interface Issues {
  addIssue(issue: { code: "custom"; path: (string | number)[]; message: string }): void;
}

const CREDENTIALS = ["kubeconfig", "certFile", "tokenFile"] as const;

/**
 * What must fit together in the `proxy` section. It runs beside the checks of the single values, so that
 * everything wrong is told at once: any part of `section` may thus still be as the user wrote it.
 */
export function checkProxy(section: unknown, issues: Issues): void {
  if (!isSection(section)) return;
  const add = (path: (string | number)[], message: string) =>
    issues.addIssue({ code: "custom", path, message });

  const { upstream, plain } = section;
  if (isSection(upstream)) {
    checkServers(upstream, (path, message) => add(["upstream", ...path], message));
  }

  const identities = Array.isArray(section.identities) ? section.identities : [];
  const names = identities.map((identity) => isSection(identity) ? identity.name : undefined);
  identities.forEach((identity, i) => {
    if (isSection(identity)) {
      checkCredential(identity, (message) => add(["identities", i], message));
    }
    const first = names.indexOf(names[i]);
    if (typeof names[i] === "string" && first < i) {
      add(["identities", i, "name"], `must differ from that of proxy.identities[${first}]`);
    }
  });
  checkCommonNames(identities, section.clientCA !== undefined, add);

  checkFilters(section.filters, names, add);

  if (!isSection(plain)) return;
  if (typeof plain.identity === "string" && !names.includes(plain.identity)) {
    add(["plain", "identity"], `must be the name of one of proxy.identities`);
  }
  if (isSection(plain.listen) && !isLoopback(String(plain.listen.hostname))) {
    add(
      ["plain", "listen"],
      "must be a loopback address such as 127.0.0.1, as everyone who reaches it is taken for the identity",
    );
  }
}

/** A filter for somebody who does not exist would be off without a word. */
function checkFilters(
  filters: unknown,
  names: readonly unknown[],
  add: (path: (string | number)[], message: string) => void,
): void {
  const localDns = isSection(filters) ? filters.localDns : undefined;
  if (!isSection(localDns) || !Array.isArray(localDns.identities)) return;
  localDns.identities.forEach((name, i) => {
    if (typeof name !== "string" || names.includes(name)) return;
    const path = ["filters", "localDns", "identities", i];
    // By default it is one that the user has not written.
    add(path, `must be the name of one of proxy.identities: there is no "${name}"`);
  });
}

/** Certificates say who somebody is only if they can be verified, and if it is clear who that is. */
function checkCommonNames(
  identities: readonly unknown[],
  canVerify: boolean,
  add: (path: (string | number)[], message: string) => void,
): void {
  const names = identities.map((each) => isSection(each) ? each.commonName : undefined);
  names.forEach((name, i) => {
    if (name === undefined) return;
    const first = names.indexOf(name);
    const path = ["identities", i, "commonName"];
    if (first < i) add(path, `must differ from that of proxy.identities[${first}]`);
    if (!canVerify) {
      add(path, `needs "proxy.clientCA", which client certificates are verified with`);
    }
  });
  if (canVerify && names.every((name) => name === undefined)) {
    add(["clientCA"], `needs a "commonName" in one of proxy.identities, or it would know nobody`);
  }
}

function checkServers(
  { kubeconfig, server, servers }: Record<string, unknown>,
  add: (path: (string | number)[], message: string) => void,
): void {
  const more = Array.isArray(servers) ? servers.map(String) : [];
  if (kubeconfig === undefined && server === undefined && more.length === 0) {
    return add([], `needs "kubeconfig", "server" or "servers" to know where the kube-apiserver is`);
  }
  const first = server ?? more[0];
  more.forEach((url, i) => {
    if (/^https:/.test(String(first)) === /^https:/.test(url)) return;
    add(["servers", i], `must be as safe as the others: either all are https:// or none is`);
  });
}

function checkCredential(identity: Record<string, unknown>, add: (message: string) => void): void {
  const given = CREDENTIALS.filter((key) => identity[key] !== undefined);
  if (given.length === 0) {
    add(
      `needs a credential for the cloud: one of "kubeconfig", "certFile" (with "keyFile") and "tokenFile"`,
    );
  }
  if (given.length > 1) {
    add(`must have one kind of credential: it has ${given.map((key) => `"${key}"`).join(" and ")}`);
  }
  if (identity.keyFile !== undefined && identity.certFile === undefined) {
    add(`has a "keyFile" without a "certFile"`);
  }
}

/** True for addresses that no other host can reach. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
