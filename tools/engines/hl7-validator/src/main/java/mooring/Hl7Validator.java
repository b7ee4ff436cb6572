package mooring;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import ca.uhn.fhir.validation.ValidationOptions;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.StreamSupport;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r4.model.MetadataResource;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.hl7.fhir.utilities.npm.NpmPackage;

/**
 * HL7's instance validator behind lines of JSON (../README.md): one request a line on the standard input, one answer a line on the standard output.
 *
 * Arguments: FHIR packages (.tgz) that it knows beside R4. Codes of systems whose contents are not at hand are warnings, as they are for Mooring.
 * Nothing is fetched from anywhere.
 */
public final class Hl7Validator {
  private static final ObjectMapper JSON = JsonMapper.builder()
      .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
      .nodeFactory(JsonNodeFactory.withExactBigDecimals(true))
      .build();

  private final FhirValidator validator;

  private Hl7Validator(List<String> packages) throws IOException {
    FhirContext fhir = FhirContext.forR4();
    UnknownCodeSystemWarningValidationSupport unknownSystems = new UnknownCodeSystemWarningValidationSupport(fhir);
    unknownSystems.setNonExistentCodeSystemSeverity(ca.uhn.fhir.context.support.IValidationSupport.IssueSeverity.WARNING);
    ValidationSupportChain support = new ValidationSupportChain(
        new DefaultProfileValidationSupport(fhir),
        definitionsOf(fhir, packages),
        new CommonCodeSystemsTerminologyService(fhir),
        new InMemoryTerminologyServerValidationSupport(fhir),
        new SnapshotGeneratingValidationSupport(fhir),
        unknownSystems);
    FhirInstanceValidator instances = new FhirInstanceValidator(support);
    instances.setAnyExtensionsAllowed(true);
    instances.setErrorForUnknownProfiles(false);
    instances.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    validator = fhir.newValidator().registerValidatorModule(instances);
  }

  /** Definitions of the packages: everything with a canonical URL. */
  private static PrePopulatedValidationSupport definitionsOf(FhirContext fhir, List<String> packages) throws IOException {
    PrePopulatedValidationSupport definitions = new PrePopulatedValidationSupport(fhir);
    for (String file : packages) {
      try (FileInputStream bytes = new FileInputStream(file)) {
        NpmPackage loaded = NpmPackage.fromPackage(bytes);
        for (String name : loaded.listResources("StructureDefinition", "ValueSet", "CodeSystem")) {
          String text = new String(loaded.load("package", name).readAllBytes(), StandardCharsets.UTF_8);
          definitions.addResource((MetadataResource) fhir.newJsonParser().parseResource(text));
        }
      }
    }
    return definitions;
  }

  /** @return how many errors the validator finds; each is told on the standard error. */
  private int errorsIn(JsonNode resource, JsonNode profiles) {
    ValidationOptions options = new ValidationOptions();
    StreamSupport.stream(profiles.spliterator(), false).map(JsonNode::asText).forEach(options::addProfile);
    int errors = 0;
    for (SingleValidationMessage message : validator.validateWithResult(resource.toString(), options).getMessages()) {
      ResultSeverityEnum severity = message.getSeverity();
      if (severity != ResultSeverityEnum.ERROR && severity != ResultSeverityEnum.FATAL) continue;
      errors += 1;
      // The rule alone: the message and its place may quote the resource.
      System.err.println("hl7-validator: " + message.getMessageId());
    }
    return errors;
  }

  private ObjectNode answer(String line) {
    ObjectNode answer = JSON.createObjectNode();
    try {
      JsonNode asked = JSON.readTree(line);
      answer.set("id", asked.path("id"));
      answer.put("errors", errorsIn(asked.path("resource"), asked.path("profiles")));
    } catch (Exception problem) {
      answer.put("problem", problem.getClass().getSimpleName());
    }
    return answer;
  }

  public static void main(String[] packages) throws IOException {
    // What libraries print must not be taken for an answer.
    PrintStream answers = System.out;
    System.setOut(System.err);
    Hl7Validator engine = new Hl7Validator(List.of(packages));
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      answers.write((engine.answer(line) + "\n").getBytes(StandardCharsets.UTF_8));
      answers.flush();
    }
  }
}
