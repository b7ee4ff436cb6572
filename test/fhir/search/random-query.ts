/** Random searches made of values that occur, so that most of them find something. */
import type { Resource } from '../../../src/base/resource.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { valuesOfComponent, valuesOfParameter, type FoundValue } from '../../../src/fhir/search/found-values.js';
import { intervalOf } from '../../../src/fhir/search/interval.js';
import type { Parameter, SearchType } from '../../../src/fhir/search/parameters.js';
import { fieldsOf } from '../../../src/fhir/search/string.js';
import { wordsOf } from '../../../src/fhir/search/text.js';
import { displaysOf, tokensOf } from '../../../src/fhir/search/token.js';

/** Deterministic numbers in [0, 1): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface RandomQuery {
  readonly type: string;
  readonly params: readonly (readonly [string, string])[];
}

type Param = readonly [string, string];

export class QueryMaker {
  private readonly byType = new Map<string, Resource[]>();

  constructor(
    private readonly context: SearchContext,
    private readonly resources: readonly Resource[],
    private readonly random: () => number,
  ) {
    for (const resource of resources) {
      const list = this.byType.get(resource.resourceType);
      if (list) list.push(resource);
      else this.byType.set(resource.resourceType, [resource]);
    }
  }

  /** A search of one type with one to three parameters. */
  query(): RandomQuery {
    // Half by type, half by how many there are.
    const type = this.chance(0.5) ? this.pick([...this.byType.keys()]) : this.pick(this.resources).resourceType;
    const wanted = this.pick([1, 1, 1, 2, 2, 3]);
    const params: Param[] = [];
    while (params.length < wanted) {
      const param = this.param(type, 0);
      if (param) params.push(param);
      if (this.chance(0.1)) params.push(...this.dateRange(type));
    }
    return { type, params };
  }

  private param(type: string, depth: number): Param | undefined {
    const roll = this.random();
    if (roll < 0.06) return this.common(type, depth);
    if (roll < 0.14 && depth < 2) return this.has(type, depth);
    if (roll < 0.2 && depth === 0) return this.filter(type);
    const resource = this.pick(this.byType.get(type) ?? this.resources);
    const parameters = [...this.context.parameters.parametersOf(resource.resourceType).values()];
    // Most tries name something that this resource has.
    for (let tries = 0; tries < 30; tries += 1) {
      const parameter = this.pick(parameters);
      const hasValues = parameter.selections.length + parameter.composites.length > 0;
      if (hasValues && this.chance(0.01)) return [`${parameter.code}:missing`, this.pick(['true', 'false'])];
      const param = this.valued(resource, parameter, depth);
      if (param)
        return this.chance(0.04) && parameter.type !== 'special'
          ? [`${parameter.code}:missing`, this.pick(['true', 'false'])]
          : param;
    }
    return undefined;
  }

  /** Two bounds on one date parameter, around or beside a value. */
  private dateRange(type: string): Param[] {
    const resource = this.pick(this.byType.get(type) ?? []);
    const dates = [...this.context.parameters.parametersOf(type).values()].filter(
      (one) => one.type === 'date' && one.selections.length > 0,
    );
    if (dates.length === 0) return [];
    const { code, selections } = this.pick(dates);
    const interval = intervalOf(this.pick(selections.flatMap((selection) => selection.select(resource)))?.value);
    if (!interval) return [];
    const far = this.pick([1000, 60_000, 3_600_000, 86_400_000, 30 * 86_400_000, 900 * 86_400_000]);
    const low = Math.max(interval.start, -6e12) - this.pick([0, 0.5, 1, -0.5]) * far;
    const high = Math.min(interval.end, 4e12) + this.pick([0, 0.5, 1, -0.5]) * far;
    return [
      [code, this.pick(['ge', 'gt', 'ge', 'sa']) + this.cutDate(new Date(low).toISOString())],
      [code, this.pick(['lt', 'le', 'lt', 'eb']) + this.cutDate(new Date(high).toISOString())],
    ];
  }

  private common(type: string, depth: number): Param | undefined {
    const resource = this.pick(this.byType.get(type) ?? []);
    switch (this.pick(['_id', '_lastUpdated', '_text', '_content', '_list'])) {
      case '_id':
        return ['_id', this.some(() => this.pick(this.byType.get(type) ?? []).id ?? '')];
      case '_lastUpdated':
        return ['_lastUpdated', this.pick(prefixes) + this.cutDate(resource.meta?.lastUpdated ?? '')];
      case '_text':
        return ['_text', this.pick(['Synthea', 'person seed', 'generated AND version', 'nothing OR synthea'])];
      case '_list':
        return depth === 0 ? ['_list', 'l1'] : undefined;
      default:
        return ['_content', this.pick(wordsOf(JSON.stringify(resource)))];
    }
  }

  private has(type: string, depth: number): Param | undefined {
    const source = this.pick([...this.byType.keys()]);
    const parameters = [...this.context.parameters.parametersOf(source).values()].filter(
      (one) => one.type === 'reference',
    );
    const referring = parameters.filter((one) =>
      one.selections.some((selection) =>
        this.byType
          .get(source)!
          .some((resource) =>
            selection
              .select(resource)
              .some(({ value }) => String((value as { reference?: string }).reference).startsWith(`${type}/`)),
          ),
      ),
    );
    const inner = referring.length > 0 ? this.param(source, depth + 1) : undefined;
    if (!inner || inner[0] === '_filter') return undefined;
    return [`_has:${source}:${this.pick(referring).code}:${inner[0]}`, inner[1]];
  }

  /** One or two simple comparisons, as an expression. */
  private filter(type: string): Param | undefined {
    const parts: string[] = [];
    for (let tries = 0; tries < 40 && parts.length < 2; tries += 1) {
      const resource = this.pick(this.byType.get(type) ?? []);
      const parameter = this.pick([...this.context.parameters.parametersOf(type).values()]);
      const values =
        parameter.selections.length > 0 ? valuesOfParameter(this.context.parameters, resource, parameter) : [];
      const text = values.length > 0 ? this.valueText(parameter.type, this.pick(values)) : undefined;
      if (text === undefined) continue;
      if (parameter.type === 'string' && !text.includes('"') && !text.includes('\\'))
        parts.push(`${parameter.code} ${this.pick(['eq', 'co', 'sw', 'ew', 'ne'])} "${text}"`);
      if (parameter.type === 'date')
        parts.push(`${parameter.code} ${this.pick(['eq', 'ge', 'lt', 'po', 'ne'])} ${text.replace(/^[a-z]+/, '')}`);
      if (parameter.type === 'token' && !/[\s()"\\]/.test(text))
        parts.push(`${parameter.code} ${this.pick(['eq', 'ne'])} ${text}`);
      if (parameter.type === 'reference' && this.chance(0.3)) {
        const chained = this.chain(resource, parameter, 1);
        if (chained && !/[:\\]/.test(chained[0]) && !/[\s,()"\\]/.test(chained[1]))
          parts.push(`${chained[0]} eq ${chained[1].replace(/^(ne|gt|lt|ge|le|sa|eb|ap)(?=\d)/, '')}`);
      }
      if (this.chance(0.2)) parts.push(`${parameter.code} pr ${this.pick(['true', 'false'])}`);
    }
    if (parts.length === 0) return undefined;
    const joined = parts.join(this.pick([' and ', ' or ']));
    return ['_filter', this.chance(0.3) ? `not (${joined})` : joined];
  }

  private valued(resource: Resource, parameter: Parameter, depth: number): Param | undefined {
    if (parameter.type === 'composite') return this.composite(resource, parameter);
    if (parameter.selections.length === 0) return undefined;
    const values = valuesOfParameter(this.context.parameters, resource, parameter);
    if (values.length === 0) return undefined;
    const value = this.pick(values);
    const { code } = parameter;
    if (parameter.type === 'reference' && depth < 2 && this.chance(0.4)) return this.chain(resource, parameter, depth);
    const text = () => this.valueText(parameter.type, this.pick(values));
    switch (parameter.type) {
      case 'token': {
        const words = displaysOf(value.value).flatMap(wordsOf);
        if (words.length > 0 && this.chance(0.15))
          return [`${code}:text`, escaped(this.pick(words).slice(0, this.pick([2, 3, 5, 20])))];
        const identifier = value.value as { value?: string; type?: { coding?: { system?: string; code?: string }[] } };
        const coding = identifier.type?.coding?.[0];
        if (value.type === 'Identifier' && coding?.system && this.chance(0.3)) {
          return [
            `${code}:of-type`,
            [coding.system, coding.code, identifier.value].map((one) => escaped(String(one))).join('|'),
          ];
        }
        const list = this.some(text);
        return list === '' ? undefined : [this.chance(0.15) ? `${code}:not` : code, list];
      }
      case 'string': {
        const field = this.pick(fieldsOf(value.value).concat(''));
        if (field === '') return undefined;
        if (this.chance(0.2)) return [`${code}:exact`, escaped(this.chance(0.8) ? field : field.toLowerCase())];
        if (this.chance(0.35)) {
          const from = Math.floor(this.random() * field.length);
          const part = field.slice(from, from + this.pick([1, 2, 3, 4, 5, 8])).trim();
          return part === '' ? undefined : [`${code}:contains`, escaped(part)];
        }
        const list = this.some(text);
        return list === '' ? undefined : [code, list];
      }
      case 'uri': {
        const uri = String(value.value);
        if (this.chance(0.3))
          return [
            `${code}:below`,
            escaped(
              uri
                .split('/')
                .slice(0, this.pick([3, 4, 5, 9]))
                .join('/'),
            ),
          ];
        return [this.chance(0.2) ? `${code}:above` : code, escaped(uri)];
      }
      case 'special': {
        const { latitude, longitude } = value.value as { latitude: number; longitude: number };
        return [
          code,
          `${latitude + this.random() * 0.2}|${longitude + this.random() * 0.2}|${this.pick(['1', '10', '100', '2000'])}|${this.pick(['km', 'mi'])}`,
        ];
      }
      case 'reference': {
        const [type, id] = String((value.value as { reference?: string }).reference).split('/');
        if (id === undefined || id.includes('?')) return undefined;
        return [...this.pick<Param>([[code, `${type}/${id}`], [code, id], [`${code}:${type}`, id], [code, `${this.context.baseUrl}/${type}/${id}`]])]  as unknown as Param; // prettier-ignore
      }
      case 'date':
      case 'number':
      case 'quantity': {
        const list = this.some(text);
        return list === '' ? undefined : [code, list];
      }
    }
  }

  private chain(resource: Resource, parameter: Parameter, depth: number): Param | undefined {
    const references = parameter.selections.flatMap((selection) => selection.select(resource));
    const [type, id] = String((this.pick(references)?.value as { reference?: string })?.reference).split('/');
    const target = this.byType.get(type)?.find((one) => one.id === id);
    const inner = target && this.param(type, depth + 1);
    if (!inner || inner[0] === '_filter' || inner[0] === '_list') return undefined;
    return [`${parameter.code}${this.chance(0.7) ? `:${type}` : ''}.${inner[0]}`, inner[1]];
  }

  private composite(resource: Resource, parameter: Parameter): Param | undefined {
    for (const [index, { components }] of parameter.composites.entries()) {
      const occurrences = valuesOfComponent(this.context.parameters, resource, parameter, index);
      const full = occurrences.filter((values) => values.every((one) => one.length > 0));
      if (full.length === 0) continue;
      // Sometimes of different elements: those must not match.
      const parts = components.map((component, at) => this.valueText(component.type, this.pick(this.pick(full)[at])));
      if (parts.every((part) => part !== undefined)) return [parameter.code, parts.join('$')];
    }
    return undefined;
  }

  /** A search value near `found`; undefined when there is none. */
  private valueText(type: SearchType, found: FoundValue): string | undefined {
    switch (type) {
      case 'token': {
        const token = this.pick(tokensOf(found.value, found.type));
        if (!token) return undefined;
        const code = escaped(this.chance(0.1) ? token.code.toUpperCase() : token.code);
        const system = token.system === undefined ? '' : escaped(token.system);
        return this.pick([
          code,
          `${system}|${code}`,
          `${system}|${code}`,
          system === '' ? code : `${system}|`,
          this.chance(0.2) ? `|${code}` : code,
        ]);
      }
      case 'string': {
        const field = this.pick(fieldsOf(found.value));
        const cut = field?.slice(0, this.pick([1, 2, 3, 5, 8, 13, 14, 20, 30, 60])).trim();
        return cut ? escaped(this.chance(0.3) ? cut.toUpperCase() : cut) : undefined;
      }
      case 'date': {
        const interval = intervalOf(found.value);
        if (!interval) return undefined;
        const at = this.pick([interval.start, interval.end - 1].filter(Number.isFinite));
        const moved = this.chance(0.3) ? at + this.pick([-86_400_000, 3_600_000, 1000, 40 * 86_400_000]) : at;
        return this.pick(prefixes) + this.cutDate(new Date(moved).toISOString());
      }
      case 'number':
        return this.pick(prefixes) + String(found.value);
      case 'quantity':
        return this.quantity(found.value as { value?: number; system?: string; code?: string; unit?: string });
      case 'uri':
        return escaped(String(found.value));
      case 'reference': {
        const { reference } = (found.value ?? {}) as { reference?: string };
        return reference;
      }
      case 'composite':
      case 'special':
        return undefined;
    }
  }

  private quantity({
    value,
    system,
    code,
    unit,
  }: {
    value?: number;
    system?: string;
    code?: string;
    unit?: string;
  }): string | undefined {
    if (typeof value !== 'number') return undefined;
    const moved = this.chance(0.3) ? value * this.pick([0.9, 1.05, 2]) : value;
    const digits = this.pick([1, 2, 3, 4, 12]);
    const number = (scaled: number) => Number(scaled.toPrecision(digits)).toString();
    const prefix = this.pick(prefixes);
    const other = otherUnits.find(([from]) => from === code);
    if (other && this.chance(0.5)) return `${prefix}${number(moved * other[2])}|${system}|${other[1]}`;
    return this.pick([
      prefix + number(moved),
      code && system ? `${prefix}${number(moved)}|${system}|${escaped(code)}` : undefined,
      unit ? `${prefix}${number(moved)}||${escaped(unit)}` : undefined,
    ]);
  }

  private cutDate(iso: string): string {
    const cut = iso.slice(0, this.pick([4, 7, 10, 16, 19, 23]));
    if (cut.length <= 10) return cut;
    const zone = this.pick(['Z', '', '+00:00', '+05:30', '-08:00']);
    if (zone === 'Z' || zone === '' || zone === '+00:00') return cut + zone;
    const sign = zone.startsWith('-') ? -1 : 1;
    const minutes = sign * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
    return new Date(Date.parse(`${cut}Z`) + minutes * 60_000).toISOString().slice(0, cut.length) + zone;
  }

  private some(make: () => string | undefined): string {
    const values = Array.from({ length: this.pick([1, 1, 1, 2, 3]) }, make).filter(
      (one) => one !== undefined && one !== '',
    );
    return values.join(',');
  }

  private chance(probability: number): boolean {
    return this.random() < probability;
  }

  private pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.random() * items.length)];
  }
}

const prefixes = ['', '', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];

const otherUnits: readonly (readonly [string, string, number])[] = [
  ['cm', 'm', 0.01],
  ['kg', 'g', 1000],
  ['mg/dL', 'g/L', 0.01],
  ['mm[Hg]', 'kPa', 0.133322],
  ['/min', '/s', 1 / 60],
];

function escaped(text: string): string {
  return text.replace(/[\\,|$]/g, '\\$&');
}
