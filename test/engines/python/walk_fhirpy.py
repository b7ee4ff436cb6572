"""Walks a FHIR server with fhirpy, unmodified: create, read, search, paging, includes, patch, update, transaction, delete.

Prints `ok` when every step answered as expected. Arguments: base URL, token.
"""
import sys

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

url, token = sys.argv[1:]
client = SyncFHIRClient(url, authorization=f"Bearer {token}")


def main():
    patients = []
    for index in range(7):
        patient = client.resource("Patient", name=[{"family": "Fhirpy", "given": [f"G{index}"]}], gender="female")
        patient.save()
        patients.append(patient)
    assert len({patient.id for patient in patients}) == 7
    first = patients[0]
    assert client.reference("Patient", first.id).to_resource()["name"][0]["family"] == "Fhirpy"

    # Search, sorted; paging through all of it.
    found = client.resources("Patient").search(family="fhirpy").limit(2)
    assert len(found.fetch()) == 2
    assert len({patient.id for patient in found.fetch_all()}) == 7
    assert client.resources("Patient").search(family="fhirpy").count() == 7
    assert client.resources("Patient").search(family="nobody").first() is None

    # Update, patch.
    first["birthDate"] = "1984-05-02"
    first.save()
    assert client.reference("Patient", first.id).to_resource()["birthDate"] == "1984-05-02"
    operations = [{"op": "add", "path": "/active", "value": True}]
    patched = client.execute(f"Patient/{first.id}", method="patch", data=operations)
    assert patched["active"] is True
    first.patch(gender="male")
    assert client.reference("Patient", first.id).patch(active=None, gender="other")["gender"] == "other"
    assert "active" not in client.reference("Patient", first.id).to_resource()

    # References and includes.
    observation = client.resource(
        "Observation", status="final", code={"text": "height"}, subject=first.to_reference()
    )
    observation.save()
    bundle = client.resources("Observation").search(subject=f"Patient/{first.id}").include("Observation", "subject")
    assert {entry["resource"]["resourceType"] for entry in bundle.fetch_raw()["entry"]} == {"Observation", "Patient"}
    assert observation["subject"].to_resource().id == first.id

    # A transaction.
    entry = [
        {
            "fullUrl": "urn:uuid:0f1f6b3e-6a54-4f6b-9d43-3b5a52c0a001",
            "resource": {"resourceType": "Patient", "name": [{"family": "Transacted"}]},
            "request": {"method": "POST", "url": "Patient"},
        },
        {
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "weight"},
                "subject": {"reference": "urn:uuid:0f1f6b3e-6a54-4f6b-9d43-3b5a52c0a001"},
            },
            "request": {"method": "POST", "url": "Observation"},
        },
    ]
    answer = client.execute("", method="post", data={"resourceType": "Bundle", "type": "transaction", "entry": entry})
    assert [one["response"]["status"][:3] for one in answer["entry"]] == ["201", "201"], answer
    transacted = client.resources("Patient").search(family="transacted").get()
    assert len(client.resources("Observation").search(subject=f"Patient/{transacted.id}").fetch()) == 1

    # What is wrong is told as an OperationOutcome.
    try:
        client.resource("Patient", gender="none-such").save()
        raise AssertionError("a wrong code was taken")
    except OperationOutcome as error:
        assert error.resource["issue"][0]["severity"] in ("error", "warning")

    observation.delete()
    try:
        client.reference("Observation", observation.id).to_resource()
        raise AssertionError("a deleted Observation was given out")
    except ResourceNotFound:
        pass


main()
print("ok")
