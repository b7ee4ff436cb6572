/** Blind names: what index and log call a resource, a type and a compartment. */
import type { Term } from '../base/ids.js';
import type { Blinder } from './blinder.js';

export class Names {
  /** Compartment of the resources that belong to no patient. */
  readonly server: Term;

  constructor(private readonly blinder: Blinder) {
    this.server = blinder.term('compartment\u0000server');
  }

  /** Of `Type/id`: VersionRecord.resource, Link.target, Plan `resource`. */
  resource(resourceType: string, id: string): Term {
    return this.blinder.term(`${resourceType}/${id}`);
  }

  /** Carried by every version of the type, deletions too. */
  type(resourceType: string): Term {
    return this.blinder.term(resourceType);
  }

  /** Of a patient's compartment, whose key wraps the data keys of what is in it. Unlike the name of the Patient resource. */
  compartment(patientId: string): Term {
    return this.blinder.term(`compartment\u0000Patient/${patientId}`);
  }
}
