import { formatHostPort } from "../config/scalars.ts";
import type { DnsConfig } from "../dns/config.ts";
import type { ProxyConfig } from "../proxy/config.ts";

/** Takes what is wrong; `path` counts from the top. */
interface Issues {
  addIssue(issue: { code: "custom"; path: string[]; message: string }): void;
}

const WILDCARDS = ["0.0.0.0", "::"];

/** The cluster's DNS Service must not lead past the name server that runs here. */
export function checkLocalDns(
  { proxy, dns }: { proxy?: ProxyConfig | undefined; dns?: DnsConfig | undefined },
  issues: Issues,
): void {
  const address = proxy?.filters.localDns?.address;
  if (address === undefined || dns === undefined) return;
  const { hostname, port } = dns.listen;
  if (port === 53 && [address, ...WILDCARDS].includes(hostname)) return;
  issues.addIssue({
    code: "custom",
    path: ["proxy", "filters", "localDns", "address"],
    message: `must be where dns.listen is, at port 53: that is ${formatHostPort(dns.listen)}`,
  });
}
