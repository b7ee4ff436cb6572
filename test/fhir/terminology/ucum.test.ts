import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ucum } from '../../../src/fhir/terminology/ucum.js';

describe('UCUM', () => {
  const valid =
    "mg/dL kg 10*3/uL 10^3/uL /min {score} % [in_i] Cel mm[Hg] a mo m2 1 10*-3 10* kg{x}/m2 mg/24.h mg/(24.h) deg L/min l/min [lb_av] mL U/L [IU]/L meq/L mmol/L {#} g.m/s2 /[HPF] [degF] kcal/{day} {cells}/uL [pH] [ppm] kg/m2 kg.m-2 m+2 2.kg 100{x} ((kg)) kg/(m2.s) m[H2O] [tbs_us] B[SPL] umol/min/g{Hb} K eV mol %{0to3Hours} [arb'U]/mL dyn.s/cm5 mL/min/{1.73_m2} mL/min/1.73.m2 bar kPa atm cal [Cal] J ' '' Ohm sr rad [Btu] dar daL AU [e] pH g% [diop] [mu_0] [in_i'Hg] mCel Cel/min";
  // "1.73.m2" is 1 . 73 . m2 for UCUM, as for HL7's validator.
  for (const code of valid.split(' ')) {
    test(`${code} is a unit`, () => assert.equal(ucum.contains(code), 'in'));
  }
  const invalid =
    'beats/min furlong KG zz mg/24hr MG/DL degC hr hrs lb lbs x IU/L mcg dpt ppm kg/m^2 mg/ / . kg. kg/(m2.s {unclosed closed} {a{b}} mmHg tbl mol! k° µg Ω cmm 1e3 %kg m[degF] m[in_i] kmin mmin m% ma year days yr mL/min/1.73m2';
  for (const code of invalid.split(' ')) {
    test(`${code} is none`, () => assert.equal(ucum.contains(code), 'out'));
  }

  test('white space outside of annotations, the empty text and endless texts are no units', () => {
    for (const code of ['', ' kg', 'kg ', 'mg mL', 'm\n', `${'('.repeat(200)}m${')'.repeat(200)}`, 'm.'.repeat(200)]) {
      assert.equal(ucum.contains(code), 'out', JSON.stringify(code));
    }
    assert.equal(ucum.contains('{one two}'), 'in');
  });

  test('what is wrong with a unit is said', () => {
    assert.equal(ucum.explain?.('mg/furlong'), "'furlong' at position 3 is no unit");
    assert.equal(ucum.explain?.('mg'), undefined);
  });

  test('canonical units pick out a dimension', () => {
    assert.equal(ucum.filter?.('km', 'canonical', '=', 'm'), 'in');
    assert.equal(ucum.filter?.('[in_i]', 'canonical', '=', 'm'), 'in');
    assert.equal(ucum.filter?.('m2', 'canonical', '=', 'm'), 'out');
    assert.equal(ucum.filter?.('kg', 'canonical', '=', 'm'), 'out');
    assert.equal(ucum.filter?.('m', 'other', '=', 'm'), undefined);
  });
});
