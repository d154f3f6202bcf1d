import { existsSync } from 'node:fs';
import { BlockList } from 'node:net';
import { join } from 'node:path';
import type { ComposeFile, ComposeService } from './compose-file.ts';

type Complain = (message: string) => void;

/**
 * What docker-compose.yml names and does not have: services, networks, volumes, files. Also what Compose would
 * accept and this project does not want: images without a version, twice the same address or port.
 *
 * @param folder where the file is; paths in it are taken from there
 */
export function danglingReferences(compose: ComposeFile, folder: string): string[] {
  const problems: string[] = [];
  const addresses = new Map<string, string>();
  const ports = new Map<string, string>();
  for (const [name, service] of Object.entries(compose.services)) {
    const complain: Complain = (message) => problems.push(`services.${name}: ${message}`);
    checkImage(compose, service, folder, complain);
    checkDependencies(compose, service, complain);
    checkMounts(compose, service, folder, complain);
    if (service['x-scalable'] === true) checkScalable(service, complain);
    for (const [network, { ipv4_address: address }] of Object.entries(service.networks)) {
      checkAddress(compose, network, address, complain);
      if (address !== undefined) once(addresses, address, name, complain);
    }
    for (const { address, host } of service.ports) once(ports, `${address}:${host}`, name, complain);
  }
  return [...problems, ...unusedVolumes(compose), ...dependencyCycles(compose)];
}

function checkImage(compose: ComposeFile, service: ComposeService, folder: string, complain: Complain): void {
  if (service.build !== undefined) {
    const { context, dockerfile } = service.build;
    if (!existsSync(join(folder, context, dockerfile))) complain(`there is no ${join(context, dockerfile)}`);
    return;
  }
  const isBuiltHere = Object.values(compose.services).some(
    ({ image, build }) => build !== undefined && image === service.image,
  );
  if (isBuiltHere) {
    if (service.pull_policy !== 'never') complain('expected `pull_policy: never`, its image is built here');
    return;
  }
  const [, tag] = /:([A-Za-z0-9_.-]+)(?:@sha256:[0-9a-f]{64})?$/.exec(service.image) ?? [];
  if (tag === undefined || !/\d/.test(tag))
    complain(`expected an image with a version, not ${service.image}`);
}

function checkDependencies({ services }: ComposeFile, service: ComposeService, complain: Complain): void {
  for (const [dependency, { condition, required }] of Object.entries(service.depends_on)) {
    const target = services[dependency];
    if (target === undefined) {
      complain(`depends on ${dependency}, which there is not`);
    } else if (condition === 'service_healthy' && !('test' in target.healthcheck)) {
      complain(`waits for the health of ${dependency}, which has no check`);
    } else if (condition === 'service_completed_successfully' && target.restart !== 'no') {
      complain(`waits for the end of ${dependency}, which is started again`);
    } else if (
      required &&
      target.profiles?.some((profile) => service.profiles?.includes(profile) !== true) === true
    ) {
      complain(`depends on ${dependency}, which is in a profile that this is not in`);
    }
  }
}

function checkMounts(
  compose: ComposeFile,
  service: ComposeService,
  folder: string,
  complain: Complain,
): void {
  const targets = new Map<string, string>();
  for (const { source, target, readOnly, isPath } of service.volumes) {
    once(targets, target, source, complain);
    if (!isPath) {
      if (!Object.hasOwn(compose.volumes, source)) complain(`there is no volume ${source}`);
    } else if (!existsSync(join(folder, source))) {
      // Docker would make an empty folder of that name.
      complain(`there is no ${source}`);
    } else if (!readOnly) {
      complain(`expected ${source} to be mounted read-only`);
    }
  }
}

/** What only one container can have would keep the second one from starting, or have both of them answer to it. */
function checkScalable(service: ComposeService, complain: Complain): void {
  const { hostname, container_name: container, ports, networks } = service;
  const fixed = {
    hostname,
    container_name: container,
    ports: ports.length > 0 ? ports : undefined,
    ipv4_address: Object.values(networks).find(({ ipv4_address: address }) => address !== undefined),
  };
  for (const [key, value] of Object.entries(fixed)) {
    if (value !== undefined) complain(`expected no ${key}, since it may be scaled`);
  }
}

function checkAddress(
  compose: ComposeFile,
  network: string,
  address: string | undefined,
  complain: Complain,
): void {
  const [plan] = compose.networks[network]?.ipam.config ?? [];
  if (plan === undefined) return complain(`there is no network ${network}`);
  if (address === undefined) return;
  if (!isWithin(plan.subnet, address)) complain(`${address} is not in ${plan.subnet}`);
  // Another container could have it already.
  if (isWithin(plan.ip_range, address)) complain(`${address} is one of those that Docker gives out`);
  if (plan.gateway === address) complain(`${address} is that of the gateway`);
}

function isWithin(network: string, address: string): boolean {
  const [base = '', bits] = network.split('/');
  const list = new BlockList();
  list.addSubnet(base, Number(bits));
  return list.check(address);
}

function once(seen: Map<string, string>, key: string, owner: string, complain: Complain): void {
  const other = seen.get(key);
  if (other !== undefined) complain(`${key} is taken by ${other}`);
  seen.set(key, owner);
}

function unusedVolumes({ services, volumes }: ComposeFile): string[] {
  const used = new Set(
    Object.values(services).flatMap(({ volumes: mounts }) => mounts.map(({ source }) => source)),
  );
  return Object.keys(volumes).flatMap((name) => (used.has(name) ? [] : [`volumes.${name}: nothing uses it`]));
}

function dependencyCycles({ services }: ComposeFile): string[] {
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    if (seen.has(from)) return false;
    seen.add(from);
    return Object.keys(services[from]?.depends_on ?? {}).some(
      (next) => next === to || reaches(next, to, seen),
    );
  };
  return Object.keys(services).flatMap((name) =>
    reaches(name, name, new Set()) ? [`services.${name}: depends on itself`] : [],
  );
}
