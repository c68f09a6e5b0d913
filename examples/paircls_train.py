"""Train a pair classifier: python examples/paircls_train.py examples/paircls.yaml [--epochs 1 ...]."""

from transformers import BertForSequenceClassification, BertTokenizer

from ratsnlp import nlpbook
from ratsnlp.nlpbook.classification import ClassificationDataset, ClassificationTask, ClassificationTrainArguments
from ratsnlp.nlpbook.paircls import KlueNLICorpus

if __name__ == "__main__":  # loader and training processes import this file again
    args = nlpbook.load_arguments(ClassificationTrainArguments)
    nlpbook.set_seed(args)
    nlpbook.set_logger(args)
    nlpbook.download_downstream_dataset(args)
    corpus = KlueNLICorpus()
    tokenizer = BertTokenizer.from_pretrained(args.pretrained_model_name, do_lower_case=False)
    train_dataset = ClassificationDataset(args, tokenizer, corpus, mode="train")
    val_dataset = ClassificationDataset(args, tokenizer, corpus, mode="test")
    model = BertForSequenceClassification.from_pretrained(args.pretrained_model_name, num_labels=corpus.num_labels)
    trainer = nlpbook.get_trainer(args)
    trainer.fit(ClassificationTask(model, args), *nlpbook.get_dataloaders(args, train_dataset, val_dataset))
    print(nlpbook.evaluate(args.downstream_model_dir, hypothesis_only=True))
