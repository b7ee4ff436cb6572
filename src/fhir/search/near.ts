/**
 * Positions: `near=latitude|longitude|distance|units`. Spec: https://hl7.org/fhir/R4/location.html#positional
 *
 * The globe is cut into squares of 45 degrees, and each of those into 16, six times over: a position carries a term for the square that it is in
 * on each level. A query takes the level on which few squares cover the circle; the distance itself is checked on the opened resource.
 */
import { fhirError } from '../../base/outcome.js';
import { termText, type TermSource } from './blind.js';
import { anyTerm, upTo, type Bounds } from './bounds.js';
import { splitUnescaped } from './escape.js';

export interface NearValue {
  readonly kind: 'near';
  readonly latitude: number;
  readonly longitude: number;
  readonly distanceKm: number;
  readonly text: string;
}

const defaultDistanceKm = 50;
const unitsKm: Readonly<Record<string, number>> = {
  km: 1,
  m: 0.001,
  mi: 1.609344,
  '[mi_i]': 1.609344,
  '[mi_us]': 1.609347219,
  mi_us: 1.609347219,
  '[ft_i]': 0.0003048,
};

/** @throws FhirError 400 `invalid`. */
export function parseNearValue(text: string, name: string): NearValue {
  const [latitude, longitude, distance, units] = splitUnescaped(text, '|');
  const [north, east] = [latitude, longitude].map((part) => (part ? Number(part) : NaN));
  const factor = unitsKm[units || 'km'];
  const far = distance ? Number(distance) * factor : defaultDistanceKm;
  if (!(Math.abs(north) <= 90) || !(Math.abs(east) <= 180) || !(far >= 0)) {
    throw fhirError(
      400,
      'invalid',
      `Search parameter ${name}: found '${text}', expected latitude|longitude|distance|units, units one of ${Object.keys(unitsKm).join(' ')}`,
    );
  }
  return { kind: 'near', latitude: north, longitude: east, distanceKm: far, text };
}

const levels = 7;
const sizeOf = (level: number) => 45 / 4 ** level;
const kmOfDegree = 111.2;
const mostCells = 24;

export interface Position {
  readonly latitude: number;
  readonly longitude: number;
}

export function positionOf(value: unknown): Position | undefined {
  const { latitude, longitude } = (value ?? {}) as Record<string, unknown>;
  return typeof latitude === 'number' && typeof longitude === 'number' ? { latitude, longitude } : undefined;
}

export function nearTexts(key: string, { latitude, longitude }: Position, emit: (text: string) => void): void {
  for (let level = 0; level < levels; level += 1) {
    const size = sizeOf(level);
    emit(cellText(key, level, Math.floor(latitude / size), columnOf(longitude, size)));
  }
}

/** Columns are counted around the globe. */
function columnOf(longitude: number, size: number): number {
  const columns = Math.round(360 / size);
  return ((Math.floor((longitude + 180) / size) % columns) + columns) % columns;
}

function cellText(key: string, level: number, row: number, column: number): string {
  return termText(key, 'g', `${level}:${row}:${column}`);
}

export function planNear(blinder: TermSource, key: string, { latitude, longitude, distanceKm }: NearValue): Bounds {
  const high = distanceKm / kmOfDegree + 1e-9;
  const [south, north] = [Math.max(latitude - high, -90), Math.min(latitude + high, 90)];
  const narrowest = Math.min(Math.cos((Math.max(Math.abs(south), Math.abs(north)) * Math.PI) / 180), 1);
  const wide = narrowest < 0.01 ? 180 : Math.min(high / narrowest, 180);
  for (let level = levels - 1; level >= 0; level -= 1) {
    const size = sizeOf(level);
    const rows = Math.floor(north / size) - Math.floor(south / size) + 1;
    const columns = Math.min(Math.ceil((2 * wide) / size) + 1, Math.round(360 / size));
    if (rows * columns > mostCells && level > 0) continue;
    const cells = new Set<string>();
    for (let row = Math.floor(south / size); row <= Math.floor(north / size); row += 1) {
      for (let step = 0; step < columns; step += 1) {
        cells.add(cellText(key, level, row, columnOf(longitude - wide + Math.min(step * size, 2 * wide), size)));
      }
    }
    return upTo(anyTerm([...cells].map((cell) => blinder.term(cell))));
  }
  throw new Error('unreachable: the coarsest level always answers');
}

const earthRadiusKm = 6371;

/** Great-circle distance. */
export function distanceKm(one: Position, other: Position): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const [a, b] = [radians(one.latitude), radians(other.latitude)];
  const halfLatitude = Math.sin((b - a) / 2) ** 2;
  const halfLongitude = Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  return 2 * earthRadiusKm * Math.asin(Math.sqrt(halfLatitude + Math.cos(a) * Math.cos(b) * halfLongitude));
}
