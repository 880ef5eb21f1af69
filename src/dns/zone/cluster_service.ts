import {
  type EndpointFacts,
  endpointLabel,
  type EndpointSliceFacts,
} from "./endpoint_slice_facts.ts";
import type { PortFacts, ServiceFacts } from "./service_facts.ts";
import type { Selection } from "./zone_name.ts";

/** One address that a name under a Service leads to, with one of its ports. */
export interface Instance {
  address: string;
  port: number;
  /** What stands before the Service in the name that an SRV record of it leads to; "" for the Service's own. */
  label: string;
}

/** One endpoint and the ports of its slice. */
interface PortedEndpoint {
  endpoint: EndpointFacts;
  ports: readonly PortFacts[];
}

/** A Service with its EndpointSlices, whichever of them came first. */
export class ClusterService<Memo> {
  #facts: ServiceFacts | undefined;
  /** By name, so that answers don't depend on the order in which they came. */
  #slices: EndpointSliceFacts[] = [];
  #byLabel: Map<string, PortedEndpoint[]> | undefined;
  #memo: Map<string, Memo> | undefined;

  /** Undefined where only slices are known. */
  get facts(): ServiceFacts | undefined {
    return this.#facts;
  }

  get slices(): readonly EndpointSliceFacts[] {
    return this.#slices;
  }

  /** Nothing is known of it. */
  get isEmpty(): boolean {
    return this.#facts === undefined && this.#slices.length === 0;
  }

  get readyEndpoints(): number {
    return this.#slices.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  }

  /** What was computed since the last change. */
  memo(key: string): Memo | undefined {
    return this.#memo?.get(key);
  }

  remember(key: string, memo: Memo): void {
    (this.#memo ??= new Map()).set(key, memo);
  }

  setFacts(facts: ServiceFacts | undefined): void {
    this.#facts = facts;
    this.#changed();
  }

  /** Puts a slice in the place of the one with its name, or takes it away. */
  setSlice(name: string, facts: EndpointSliceFacts | undefined): void {
    const others = this.#slices.filter((slice) => slice.name !== name);
    if (facts !== undefined) {
      const after = others.findIndex((slice) => slice.name > name);
      others.splice(after < 0 ? others.length : after, 0, facts);
    }
    this.#slices = others;
    this.#changed();
  }

  /**
   * What a name leads to: addresses times ports, in CoreDNS's order and as often as there. Undefined when
   * nothing fits it; then the name does not exist.
   */
  instances(selection: Selection, podNames: boolean): Instance[] | undefined {
    const facts = this.#facts;
    if (facts === undefined) return undefined;
    const found: Instance[] = [];
    let exists = false;
    const fits = ({ name, protocol }: PortFacts) =>
      (selection.port === "" || selection.port === name) &&
      (selection.protocol === "" || selection.protocol === protocol);
    if (facts.kind === "headless" || selection.endpoint !== "") {
      for (const { endpoint, ports } of this.#endpoints(selection.endpoint, podNames)) {
        for (const port of ports) {
          if (!fits(port)) continue;
          exists = true;
          const label = selection.endpoint || endpointLabel(endpoint, podNames);
          found.push({ address: endpoint.address, port: port.port, label });
        }
      }
    } else {
      for (const port of facts.ports) {
        if (!fits(port)) continue;
        exists = true;
        for (const address of facts.clusterIps) {
          found.push({ address, port: port.port, label: "" });
        }
      }
    }
    return exists ? found : undefined;
  }

  /** All endpoints, or those with a label: these are looked up, as there may be thousands. */
  #endpoints(label: string, podNames: boolean): Iterable<PortedEndpoint> {
    if (label === "") return this.#all();
    if (this.#byLabel === undefined) {
      this.#byLabel = new Map();
      for (const ported of this.#all()) {
        const key = endpointLabel(ported.endpoint, podNames);
        const same = this.#byLabel.get(key);
        if (same === undefined) this.#byLabel.set(key, [ported]);
        else same.push(ported);
      }
    }
    return this.#byLabel.get(label) ?? [];
  }

  *#all(): Generator<PortedEndpoint> {
    for (const { endpoints, ports } of this.#slices) {
      for (const endpoint of endpoints) yield { endpoint, ports };
    }
  }

  #changed(): void {
    this.#byLabel = undefined;
    this.#memo = undefined;
  }
}
