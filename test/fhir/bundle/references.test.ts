import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findReferences, rewriteLinks } from '../../../src/fhir/bundle/references.js';

const patient = 'urn:uuid:11111111-1111-4111-8111-111111111111';
const replace = (link: string) => (link === patient ? 'Patient/p1' : undefined);

describe('links of Bundle entries', () => {
  it('are rewritten in references, contained resources, extensions, attachments and narrative', () => {
    const resource = {
      resourceType: 'DocumentReference',
      text: { status: 'generated', div: `<div><a href="${patient}">him</a><img src='${patient}'/></div>` },
      contained: [{ resourceType: 'Basic', subject: { reference: patient } }],
      extension: [{ url: 'http://example.org/a', valueUri: patient }],
      subject: { reference: patient },
      content: [{ attachment: { url: patient } }],
    };
    assert.deepEqual(rewriteLinks(resource, replace), {
      resourceType: 'DocumentReference',
      text: { status: 'generated', div: `<div><a href="Patient/p1">him</a><img src='Patient/p1'/></div>` },
      contained: [{ resourceType: 'Basic', subject: { reference: 'Patient/p1' } }],
      extension: [{ url: 'http://example.org/a', valueUri: 'Patient/p1' }],
      subject: { reference: 'Patient/p1' },
      content: [{ attachment: { url: 'Patient/p1' } }],
    });
  });

  it('are left alone where the text is no link: identifiers, strings, canonicals', () => {
    const resource = {
      masterIdentifier: { system: 'urn:ietf:rfc:3986', value: patient },
      description: patient,
      instantiatesCanonical: [patient],
    };
    assert.equal(rewriteLinks(resource, replace), resource);
  });

  it('are found with the FHIRPath of their element; fragments are no links', () => {
    const resource = {
      subject: { reference: 'Patient/1' },
      performer: [{ reference: '#p' }, { reference: 'Practitioner?identifier=a|b' }],
    };
    assert.deepEqual(findReferences(resource, 'Observation'), [
      { reference: 'Patient/1', expression: 'Observation.subject' },
      { reference: 'Practitioner?identifier=a|b', expression: 'Observation.performer[1]' },
    ]);
  });
});
