"""Train named entity recognition: python examples/ner_train.py examples/ner.yaml [--epochs 1 ...]."""

from transformers import BertForTokenClassification, BertTokenizer

from ratsnlp import nlpbook
from ratsnlp.nlpbook.ner import KlueNERCorpus, NERDataset, NERTask, NERTrainArguments

if __name__ == "__main__":  # loader and training processes import this file again
    args = nlpbook.load_arguments(NERTrainArguments)
    nlpbook.set_seed(args)
    nlpbook.set_logger(args)
    nlpbook.download_downstream_dataset(args)
    corpus = KlueNERCorpus(args)
    tokenizer = BertTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False)
    train_dataset = NERDataset(args, tokenizer, corpus, mode="train")
    val_dataset = NERDataset(args, tokenizer, corpus, mode="val")
    model = BertForTokenClassification.from_pretrained(args.pretrained_model_name, num_labels=corpus.num_labels)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(NERTask(model, args), *nlpbook.get_dataloaders(args, train_dataset, val_dataset))
    print(nlpbook.evaluate(args.downstream_model_dir))
